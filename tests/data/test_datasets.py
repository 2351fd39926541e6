"""Data sets pair files, and crops depend on nothing but seed and number."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg import InputError
from crispseg.data import BSDS500, IGNORE_INDEX, LabelledFolder, LabelledImages, Sample
from crispseg.data.crops import ConsecutiveBatches, Crop, CropDataset, CropOptions
from tests.fakes import write_bsds500, write_folder


def test_a_folder_pairs_images_and_labels_and_maps_void(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    folder = LabelledFolder(root / "images", root / "labels", void=11)
    assert len(folder) == 3
    sample = folder.read(1)
    assert sample.name == "scene1"
    assert sample.image.shape == (3, 48, 64)
    assert sorted(sample.labels.unique().tolist()) == [-1, 0, 1, 2]
    assert (sample.labels[:2] == IGNORE_INDEX).all()


def test_bsds500_gives_every_annotator(tmp_path: Path) -> None:
    data = BSDS500(write_bsds500(tmp_path))
    first, second, third = (data.read(0, choice).labels for choice in range(3))
    assert sorted(first.unique().tolist()) == [1, 2, 3]
    assert sorted(second.unique().tolist()) == [1, 2]
    assert torch.equal(first, third)


def test_what_does_not_fit_together_is_named(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match=r"image folder .*none: no such folder"):
        LabelledFolder(tmp_path / "none", root / "labels")
    with pytest.raises(InputError, match=r"image folder .*empty: no file ends in .png"):
        LabelledFolder(empty, root / "labels")
    (root / "labels" / "scene1.png").unlink()
    with pytest.raises(InputError, match="for 1 of 3 images, first for 'scene1'"):
        LabelledFolder(root / "images", root / "labels")
    Image.fromarray(np.zeros((5, 5), dtype=np.uint8)).save(root / "labels" / "scene1.png")
    with pytest.raises(InputError, match=r"height and width \(5, 5\), its image \(48, 64\)"):
        LabelledFolder(root / "images", root / "labels").read(1)
    bsds = write_bsds500(tmp_path / "bsds")
    (bsds / "groundTruth" / "train" / "100.mat").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"100.mat: not a BSDS500 ground truth"):
        BSDS500(bsds).read(0)


def test_crops_depend_on_seed_and_number_alone(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    sources: list[LabelledImages] = [
        LabelledFolder(root / "images", root / "labels", 11),
        BSDS500(write_bsds500(tmp_path / "bsds")),
    ]
    crops, again, other = (CropDataset(sources, CropOptions(24), seed=seed) for seed in (0, 0, 1))
    for index in (5, 0, 3):
        image, labels = crops[index]
        assert image.shape == (3, 24, 24)
        assert labels.shape == (24, 24)
        assert 0 <= float(image.min()) <= float(image.max()) <= 1
        assert torch.equal(image, again[index][0])
        assert torch.equal(labels, again[index][1])
        assert not torch.equal(image, other[index][0])


def test_crops_take_the_sources_in_turn(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    sources: list[LabelledImages] = [
        LabelledFolder(root / "images", root / "labels", 11),
        BSDS500(write_bsds500(tmp_path / "bsds")),
    ]
    crops = CropDataset(sources, CropOptions(48, zoom=(1.0, 1.0)))
    assert all((0 in labels) == (index % 2 == 0) for index, (_, labels) in ((i, crops[i]) for i in range(6)))


def test_a_crop_cuts_image_and_labels_alike() -> None:
    labels = torch.arange(48).reshape(6, 8)
    image = labels.expand(3, 6, 8).to(torch.uint8)
    crop = Crop(top=1, left=2, side=4, flip=True, brightness=1.0, contrast=1.0)
    cut, cut_labels = crop.apply(Sample(image, labels, "a"), 4)
    expected = labels[1:5, 2:6].flip(-1)
    assert torch.equal(cut_labels, expected)
    torch.testing.assert_close(cut[0], expected / 255, atol=1e-3, rtol=0)


def test_a_zoomed_crop_makes_no_new_labels() -> None:
    labels = torch.randint(0, 2, (40, 40)) * 200
    crop = Crop.draw(np.random.default_rng(0), 40, 40, CropOptions(32, (1.5, 1.5)))
    assert crop.side == 21
    _, cut = crop.apply(Sample(torch.zeros(3, 40, 40, dtype=torch.uint8), labels, "a"), 32)
    assert set(cut.unique().tolist()) == {0, 200}


def test_a_crop_of_a_small_image_is_the_whole_of_it() -> None:
    crop = Crop.draw(np.random.default_rng(0), 10, 20, CropOptions(144, (1.0, 1.0)))
    assert (crop.side, crop.top) == (10, 0)


def test_senseless_crops_are_refused() -> None:
    with pytest.raises(InputError, match="no training data"):
        CropDataset([], CropOptions(24))
    with pytest.raises(InputError, match="crop size is 4"):
        CropOptions(4)
    with pytest.raises(InputError, match=r"zoom is \(2.0, 1.0\)"):
        CropOptions(24, zoom=(2.0, 1.0))


def test_a_resumed_run_goes_on_where_it_stopped_and_processes_share_the_crops() -> None:
    seen = 0

    def batches(process: int, processes: int) -> list[list[int]]:
        return list(ConsecutiveBatches(2, 3, start=lambda: seen, process=lambda: (process, processes)))

    assert batches(0, 1) == [[0, 1, 2], [3, 4, 5]]
    assert [sorted([*pair[0], *pair[1]]) for pair in zip(batches(0, 2), batches(1, 2), strict=True)] == [
        list(range(6)),
        list(range(6, 12)),
    ]
    seen = 2
    assert batches(0, 1) == [[6, 7, 8], [9, 10, 11]]
