"""Every data set is a data set of the field, says its classes in one way, and goes with predictions."""

import pickle
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from crispseg import InputError
from crispseg.data import (
    BSDS500,
    COCO,
    DATASETS,
    IGNORE_INDEX,
    VOC2012,
    BSDS500Boundaries,
    CamVid,
    Cityscapes,
    LabelledFolder,
    LabelledImages,
    LabelledPredictions,
    Sample,
    build_dataset,
)
from crispseg.data.checked import CheckedLabels
from crispseg.evaluation import evaluate, void_band_of
from tests.fakes import (
    write_bsds500,
    write_camvid,
    write_cityscapes,
    write_coco,
    write_folder,
    write_sbd,
    write_voc2012,
)

SCENE = [(17, (5, 5, 30, 30))]


def folder(root: Path) -> LabelledFolder:
    write_folder(root, 2)
    (root / "names.txt").write_text("left\nright\ndisc\n")
    return LabelledFolder(root / "images", root / "labels", void=11, class_names=root / "names.txt")


def augmented(root: Path) -> VOC2012:
    sbd = write_sbd(root / "sbd", train=["2008_1"], val=["2008_2"])
    return VOC2012(write_voc2012(root / "voc"), "train_aug", sbd=sbd)


MADE: dict[str, tuple[Callable[[Path], LabelledImages], int | None, str | None]] = {
    "folder": (folder, 3, "disc"),
    "bsds500": (lambda root: BSDS500(write_bsds500(root)), None, None),
    "bsds500-boundaries": (lambda root: BSDS500Boundaries(write_bsds500(root)), 2, "boundary"),
    "camvid": (lambda root: CamVid(write_camvid(root)), 11, "bicyclist"),
    "cityscapes": (lambda root: Cityscapes(write_cityscapes(root)), 19, "bicycle"),
    "coco": (lambda root: COCO(write_coco(root, [SCENE, SCENE]), "val2017"), 21, "tvmonitor"),
    "voc2012": (augmented, 21, "tvmonitor"),
}
"""How a data set is made, its number of classes, and the name of the last."""


@pytest.fixture(params=MADE)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, LabelledImages]:
    return request.param, MADE[request.param][0](tmp_path)


def test_every_data_set_of_the_registry_is_tested_here() -> None:
    assert set(MADE) == set(DATASETS)


def test_a_data_set_is_one_of_the_field(made: tuple[str, LabelledImages]) -> None:
    name, data = made
    assert isinstance(data, Dataset)
    assert type(data) is DATASETS.named(name)
    assert len(data) == len(data.image_names) == len(set(data.image_names)) >= 2
    assert [data[index].name for index in range(len(data))] == list(data.image_names)
    assert data[-1].name == data.image_names[-1]
    with pytest.raises(IndexError):
        data[len(data)]
    (images, labels, names), *_ = DataLoader(data, batch_size=2)
    assert (images.shape, labels.shape, list(names)) == ((2, 3, 48, 64), (2, 48, 64), list(data.image_names[:2]))
    assert torch.equal(images[1], data[1].image)
    assert torch.equal(labels[1], data[1].labels)
    assert torch.equal(data.read_labels(1), data[1].labels)


def test_worker_processes_take_a_data_set(made: tuple[str, LabelledImages]) -> None:
    data = made[1]
    again = pickle.loads(pickle.dumps(data))
    assert torch.equal(again[1].labels, data[1].labels)
    assert again.files == data.files


def test_classes_names_and_void_are_said_in_one_way(made: tuple[str, LabelledImages]) -> None:
    name, data = made
    _, count, last = MADE[name]
    assert data.ignore_index == IGNORE_INDEX
    assert data.num_classes == count
    assert data.has_classes == (count is not None)
    assert len(data.class_names) == (count or 0)
    if last is not None and count is not None:
        assert data.class_names[-1] == last
        known = data[0].labels[data[0].labels != IGNORE_INDEX]
        assert 0 <= int(known.min()) <= int(known.max()) < count


def test_files_are_those_that_are_read(made: tuple[str, LabelledImages]) -> None:
    data = made[1]
    assert len(set(data.files)) == len(data.files) > len(data)
    assert all(path.is_file() for path in data.files)
    assert list(data.named_paths) == list(data.image_names)
    assert set(data.named_paths.values()) < set(data.files)


def write_predictions(data: LabelledImages, root: Path) -> Path:
    """Scores that are right in all but the columns left of the middle, by the names of the images."""
    for sample in (data[index] for index in range(len(data))):
        labels = sample.labels.clamp(min=0)
        labels[:, 20:24] = 0
        scores = torch.nn.functional.one_hot(labels, data.num_classes or 1).permute(2, 0, 1)
        path = root / f"{sample.name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, 4 * scores.float().numpy() - 1)
    return root


def test_any_data_set_of_classes_is_evaluated(made: tuple[str, LabelledImages], tmp_path: Path) -> None:
    name, data = made
    if not data.has_classes:
        with pytest.raises(InputError, match=r"labels of BSDS500 .* not classes; .*bsds500-boundaries"):
            LabelledPredictions(data, write_predictions_of_one_class(data, tmp_path / "scores"), scores="logits")
        return
    predictions = LabelledPredictions(data, write_predictions(data, tmp_path / "scores"), scores="logits")
    comparison = evaluate(predictions, None)
    assert comparison.images == len(data)
    assert comparison.before.num_classes == MADE[name][1]
    assert list(comparison.class_names) == list(data.class_names)
    right = total = 0
    for sample in (data[index] for index in range(len(data))):
        known = sample.labels != IGNORE_INDEX
        wrong = known & (sample.labels != 0)
        wrong[:, :20], wrong[:, 24:] = False, False
        right, total = right + int((known & ~wrong).sum()), total + int(known.sum())
    assert comparison.before.value("pixel_accuracy") == pytest.approx(100 * right / total)
    assert set(data.files) < set(predictions.read_from)


def write_predictions_of_one_class(data: LabelledImages, root: Path) -> Path:
    root.mkdir()
    for name in data.image_names:
        np.save(root / f"{name}.npy", np.zeros((3, 48, 64), np.float32))
    return root


def test_annotators_stay_in_reach(tmp_path: Path) -> None:
    data = BSDS500(write_bsds500(tmp_path))
    assert [int(data.read(1, annotator).labels.max()) for annotator in range(3)] == [3, 2, 3]
    assert torch.equal(data[1].labels, data.read(1, 0).labels)


def test_instances_of_coco_are_not_classes(tmp_path: Path) -> None:
    data = COCO(write_coco(tmp_path, [SCENE]), "val2017", labels="instances")
    assert (data.has_classes, data.num_classes, data.class_names) == (False, None, ())
    with pytest.raises(InputError, match=r"COCO .* not classes"):
        data.expecting(21)


class Halves(LabelledImages):
    """A data set of one's own, from no file, whose void is 255."""

    image_names = ("day/a", "day/b")
    class_names: Sequence[str] = ("left", "right")
    num_classes = 2
    ignore_index = 255

    def __getitem__(self, index: int) -> Sample:
        labels = (torch.arange(8) >= 4).to(torch.uint8).expand(6, 8).clone()
        labels[0] = 255
        return Sample(60 * labels.clamp(max=1).expand(3, 6, 8), labels, self.image_names[index])


def test_a_data_set_of_ones_own_is_evaluated_with_its_own_void(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    for name in Halves.image_names:
        right = (np.arange(8) >= 4).repeat(6).reshape(8, 6).T
        np.save(tmp_path / f"{name}.npy", np.stack([1.0 - 3 * right, 2.0 * right]))
    data = LabelledPredictions(Halves(), tmp_path, scores="logits")
    assert data[0][0].labels[:2].tolist() == [[IGNORE_INDEX] * 8, [0] * 4 + [1] * 4]
    assert void_band_of(data) == 0
    comparison = evaluate(data, None)
    assert comparison.before.value("miou") == 100
    assert comparison.class_table().columns[0]._cells[:2] == ["left", "right"]
    crops = CheckedLabels(Halves(), 2)
    assert crops[1].labels[0].tolist() == [IGNORE_INDEX] * 8


class HalvesOfMany(Halves):
    class_names, num_classes = ("left", "right", "up", "down", "in"), 5


def test_classes_that_occur_nowhere_have_no_row_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "day").mkdir()
    for name in HalvesOfMany.image_names:
        np.save(tmp_path / f"{name}.npy", np.stack([np.eye(6, 8)] * 2 + [np.full((6, 8), -9.0)] * 3))
    table = evaluate(LabelledPredictions(HalvesOfMany(), tmp_path, scores="logits"), None).class_table()
    assert table.columns[0]._cells == ["left", "right", "mean"]
    assert str(table.title).endswith("; 3 classes occur nowhere")


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"dataset is .*images.*; expected a data set .*LabelledImages"):
        LabelledPredictions(tmp_path / "images", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"Halves has 2 classes; expected 3"):
        Halves().expecting(3)


def test_predictions_of_cityscapes_lie_in_folders_of_cities_or_in_one(tmp_path: Path) -> None:
    data = Cityscapes(write_cityscapes(tmp_path / "data"))
    nested = write_predictions(data, tmp_path / "nested")
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in nested.glob("*/*.npy"):
        (flat / path.name).write_bytes(path.read_bytes())
    for root in (nested, flat):
        found = LabelledPredictions(data, root, scores="logits").files
        assert [path.stem for path in found] == ["aachen_000000_000019", "bochum_000000_000019"]


def test_label_maps_in_the_numbers_of_cityscapes_say_so(tmp_path: Path) -> None:
    data = Cityscapes(write_cityscapes(tmp_path / "data"))
    ids = tmp_path / "ids"
    for path in data.labels:
        (ids / path.parent.name).mkdir(parents=True)
        copy = ids / path.parent.name / path.name.replace("_gtFine_labelIds", "")
        pixels = torch.from_numpy(np.asarray(Image.open(path)).copy())
        pixels[pixels == 3] = 7
        Image.fromarray(pixels.numpy()).save(copy)
    with pytest.raises(InputError, match=r"--prediction-numbering like-labels.*--prediction-numbering 0-based"):
        LabelledPredictions(data, ids)[0]
    sample, prediction = LabelledPredictions(data, ids, prediction_numbering="like-labels")[0]
    known = sample.labels != IGNORE_INDEX
    assert torch.equal(prediction.labels(prediction.scores)[known], sample.labels[known])


def test_a_data_set_is_made_by_its_name(tmp_path: Path) -> None:
    write_camvid(tmp_path, split="val")
    assert build_dataset("camvid", {"root": tmp_path, "split": "val"}).image_names == ["scene0", "scene1"]
    with pytest.raises(InputError, match=r"data set is 'ade20k'; expected one of 'folder', .*'voc2012'"):
        build_dataset("ade20k", {})
    with pytest.raises(InputError, match="voc2012 needs root"):
        build_dataset("voc2012", {})
    with pytest.raises(InputError, match="voc2012 does not take 'void'; expected some of root, split, sbd"):
        build_dataset("voc2012", {"root": tmp_path, "void": 255})
