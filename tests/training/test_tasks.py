"""The loss, the measurements and the files of each task."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import SGD

from crispseg import InputError, Window
from crispseg.data import IGNORE_INDEX, CamVid, LabelledFolder
from crispseg.data.crops import CropOptions
from crispseg.models import HED, CrispNet, DeepLabLargeFOV, EmbeddingNet
from crispseg.nn import Affinity, BoundaryLoss, EmbeddingLoss, LocalFilter
from crispseg.training import BoundaryTask, EmbeddingTask, EndToEndTask, SegmentationTask, Task, train
from tests.fakes import write_camvid, write_folder
from tests.training.networks import TinySegmenter

IMAGE = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
LABELS = torch.randint(0, 3, (2, 16, 24), generator=torch.Generator().manual_seed(1))


def crisp_net() -> CrispNet:
    torch.manual_seed(0)
    affinity = Affinity(Window(3), 2.0, learned=True)
    return CrispNet(TinySegmenter(3, dropout=0.0), EmbeddingNet(dim=4), affinity, LocalFilter(Window(3), passes=2))


def run(task: Task, root: Path, output: Path, *, steps: int) -> None:
    folder = LabelledFolder(root / "images", root / "labels", void=11)
    often = {"checkpoint_every": 5, "val_every": 5}
    train(
        task,
        [folder],
        {"fake": folder},
        output,
        steps=steps,
        batch_size=2,
        crop=CropOptions(size=32),
        val_images=3,
        workers=0,
        accelerator="cpu",
        **often,  # type: ignore[arg-type]
    )


def test_the_loss_of_scores_is_at_their_resolution_or_at_that_of_the_labels() -> None:
    network = TinySegmenter(3, dropout=0.0)
    scores, ignored = network(IMAGE), LABELS.clone()
    ignored[:, :5] = IGNORE_INDEX
    found = SegmentationTask(network, 3).loss_of((IMAGE, ignored))["segmentation"]
    small = ignored[:, 2::4, 2::4]  # the middle of four is the second half's first
    torch.testing.assert_close(found, F.cross_entropy(scores, small, ignore_index=IGNORE_INDEX))
    found = SegmentationTask(network, 3, loss_at="labels").loss_of((IMAGE, ignored))["segmentation"]
    upsampled = F.interpolate(scores, (16, 24), mode="bilinear")
    torch.testing.assert_close(found, F.cross_entropy(upsampled, ignored, ignore_index=IGNORE_INDEX))


def test_a_crop_without_labels_is_no_loss_and_no_nan() -> None:
    network = TinySegmenter(3)
    loss = SegmentationTask(network, 3).loss_of((IMAGE, torch.full_like(LABELS, IGNORE_INDEX)))["segmentation"]
    loss.backward()
    assert loss == 0
    assert all(p.grad is not None and p.grad.abs().max() == 0 for p in network.parameters())


def test_classes_that_do_not_fit_the_network_are_said() -> None:
    with pytest.raises(InputError, match="gives scores of 3 classes; expected 11"):
        SegmentationTask(TinySegmenter(3), 11).loss_of((IMAGE, LABELS))
    with pytest.raises(InputError, match="TinySegmenter does not say how many classes it has"):
        SegmentationTask(TinySegmenter(3))
    network = crisp_net()
    network.segmenter.num_classes = 3  # type: ignore[assignment]
    assert EndToEndTask(network).num_classes == SegmentationTask(network.segmenter).num_classes == 3


def test_a_segmentation_network_learns_and_is_measured(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = TinySegmenter(3, dropout=0.0)
    task = SegmentationTask(network, 3, optimizer=partial(SGD, lr=0.1, momentum=0.9))
    run(task, write_folder(tmp_path / "data"), tmp_path / "run", steps=40)
    measured = dict(task.measured())
    assert measured["fake/miou"] > 0.5
    saved = load_file(tmp_path / "run" / "segmentation.safetensors")
    assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())
    # The measure is that of the whole images, by hand.
    folder = LabelledFolder(tmp_path / "data" / "images", tmp_path / "data" / "labels", void=11)
    intersection, union = torch.zeros(3), torch.zeros(3)
    for sample in (folder.read(i) for i in range(3)):
        scores = network.eval()(sample.image[None] / 255)
        labels = F.interpolate(scores, sample.labels.shape, mode="bilinear").argmax(1)[0]
        for c in range(3):
            true, found = sample.labels == c, (labels == c) & (sample.labels != IGNORE_INDEX)
            intersection[c] += (true & found).sum()
            union[c] += (true | found).sum()
    assert measured["fake/miou"] == pytest.approx(float((intersection / union).mean()), abs=1e-6)


def test_labels_of_no_class_are_named_with_their_file(tmp_path: Path) -> None:
    task = SegmentationTask(TinySegmenter(2), 2)
    with pytest.raises(InputError, match=r"scene\d.png: label 2 is not one of the 2 classes; expected 0 to 1"):
        run(task, write_folder(tmp_path / "data"), tmp_path / "run", steps=2)


def test_labels_of_no_class_are_found_before_the_first_step(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    labels = root / "labels" / "scene2.png"
    Image.fromarray(np.full((48, 64), 7, np.uint8)).save(labels)
    folder, good = LabelledFolder(root / "images", root / "labels", void=11), write_folder(tmp_path / "good")
    task = SegmentationTask(TinySegmenter(3), 3)
    with pytest.raises(InputError, match=r"scene2\.png: label 7"):
        train(task, [LabelledFolder(good / "images", good / "labels", 11)], {"fake": folder}, tmp_path / "run")
    assert task.global_step == 0


def test_data_of_other_classes_is_refused(tmp_path: Path) -> None:
    camvid = CamVid(write_camvid(tmp_path / "camvid"))
    with pytest.raises(InputError, match="CamVid has 11 classes; expected 3"):
        train(SegmentationTask(TinySegmenter(3), 3), [camvid], {"camvid": camvid}, tmp_path / "run")


def test_every_process_has_an_image_to_validate_on(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    folder = LabelledFolder(root / "images", root / "labels", void=11)
    with pytest.raises(InputError, match="1 validation images for 2 processes"):
        train(
            SegmentationTask(TinySegmenter(3), 3),
            [folder],
            {"fake": folder},
            tmp_path / "run",
            val_images=1,
            devices=2,
            accelerator="cpu",
        )


def test_the_loss_of_deeplab_is_at_its_grid_on_the_corners() -> None:
    torch.manual_seed(0)
    network = DeepLabLargeFOV(num_classes=3).eval()
    image, labels = torch.rand(1, 3, 33, 33), torch.randint(0, 3, (1, 33, 33))
    with torch.no_grad():
        found = SegmentationTask(network).loss_of((image, labels))["segmentation"]
        torch.testing.assert_close(found, F.cross_entropy(network(image), labels[:, ::8, ::8]))
        found = SegmentationTask(network, loss_at="labels").loss_of((image, labels))["segmentation"]
        upsampled = F.interpolate(network(image), (33, 33), mode="bilinear", align_corners=True)
        torch.testing.assert_close(found, F.cross_entropy(upsampled, labels))


def test_a_frozen_part_works_as_it_will_in_use() -> None:
    network = crisp_net()
    EndToEndTask(network, 3, rates={"segmenter.*": 0.0}).on_fit_start()
    assert not network.segmenter.training
    assert network.embedding.training
    EndToEndTask(crisp_net(), 3).on_fit_start()
    assert network.train().training


def test_a_loss_that_ignores_another_label_is_refused() -> None:
    loss = EmbeddingLoss(Window(3), ignore_index=0)
    for make in (
        lambda: EmbeddingTask(EmbeddingNet(dim=4), loss),
        lambda: EndToEndTask(crisp_net(), 3, embedding_loss=loss),
    ):
        with pytest.raises(InputError, match="the loss ignores label 0; leave its ignore_index out"):
            make()


def test_end_to_end_has_one_loss_or_two() -> None:
    network, embedding_loss = crisp_net(), EmbeddingLoss(Window(3))
    scores, embedding = network.score_with_embedding(IMAGE)
    alone = EndToEndTask(network, 3).loss_of((IMAGE, LABELS))
    assert list(alone) == ["segmentation"]
    torch.testing.assert_close(alone["segmentation"], F.cross_entropy(scores, LABELS))
    both = EndToEndTask(network, 3, embedding_loss=embedding_loss, embedding_weight=0.25).loss_of((IMAGE, LABELS))
    torch.testing.assert_close(both["embedding"], 0.25 * embedding_loss(embedding, LABELS))


@pytest.mark.parametrize(
    ("rates", "changed"),
    [({}, {"segmenter", "embedding", "affinity"}), ({"segmenter.*": 0.0}, {"embedding", "affinity"})],
)
def test_chosen_parts_learn(rates: dict[str, float], changed: set[str], tmp_path: Path) -> None:
    network = crisp_net()
    before = {name: value.clone() for name, value in network.named_parameters()}
    task = EndToEndTask(network, 3, optimizer=partial(SGD, lr=0.1, momentum=0.9), rates=rates)
    run(task, write_folder(tmp_path / "data"), tmp_path / "run", steps=5)
    after = dict(network.named_parameters())
    assert {name.partition(".")[0] for name, value in before.items() if not torch.equal(value, after[name])} == changed
    assert (tmp_path / "run" / "segmentation.safetensors").is_file()


def test_a_boundary_detector_is_measured_by_its_best_threshold() -> None:
    class Says(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return image[:, :1]

    truth = torch.tensor([[[1, 1, 0, 0, IGNORE_INDEX]]])
    task = BoundaryTask(HED(), BoundaryLoss())
    task.network = Says()  # type: ignore[assignment]
    task.val_names = ["fake"]
    task.total = lambda counts: counts  # type: ignore[method-assign]
    task.start_measuring()
    # At thresholds below 0.6 both are found and one is wrong; above, one is missed and none is wrong.
    task.measure((torch.tensor([0.9, 0.6, 0.6, 0.1, 1.0]).expand(1, 3, 1, 5), truth), 0)
    assert task.measured() == {"fake/pixel_f": pytest.approx(2 * 2 / (3 + 2))}


@pytest.mark.parametrize("name", ["validation.jsonl", "last.ckpt", "embedding.safetensors"])
def test_a_run_writes_over_no_data_through_a_link(tmp_path: Path, name: str) -> None:
    root = write_folder(tmp_path / "data")
    folder = LabelledFolder(root / "images", root / "labels", void=11)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(root / "labels" / "scene1.png")
    before = (root / "labels" / "scene1.png").read_bytes()
    task = EmbeddingTask(EmbeddingNet(dim=2, width=1), EmbeddingLoss(Window(3)))
    with pytest.raises(InputError, match=f"{name}: is also an input"):
        train(task, [folder], {"fake": folder}, tmp_path / "run")
    assert (root / "labels" / "scene1.png").read_bytes() == before
