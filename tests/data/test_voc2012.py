"""VOC 2012 and SBD are read in their released layouts, and together are the augmented set."""

from pathlib import Path

import numpy as np
import pytest
import torch

from crispseg import InputError
from crispseg.data import IGNORE_INDEX, VOC2012, read_labels
from crispseg.data.files import read_names
from tests.fakes import draw_scene, write_sbd, write_voc2012


def test_voc2012_reads_the_lists_of_its_splits(tmp_path: Path) -> None:
    root = write_voc2012(tmp_path)
    assert [len(VOC2012(root, split)) for split in ("train", "val", "trainval")] == [2, 1, 3]
    data = VOC2012(root, "val")
    sample = data.read(0)
    assert (sample.name, data.num_classes) == ("2007_000002", 21)
    stored = read_labels(root / "SegmentationClass" / "2007_000002.png").labels
    assert torch.equal(sample.labels, stored.masked_fill(stored == 255, IGNORE_INDEX))
    assert (sample.labels[:2] == IGNORE_INDEX).all()


@pytest.fixture
def voc(tmp_path: Path) -> tuple[Path, Path]:
    """VOC with train images 0 and 1 and val image 2; SBD with 1 and 2 too, and with two of its own."""
    root = write_voc2012(tmp_path / "VOC2012")
    sbd = write_sbd(tmp_path / "sbd", train=["2008_000001", "2007_000002"], val=["2007_000001", "2008_000002"])
    return root, sbd


def test_the_augmented_set_is_vocs_and_what_only_sbd_labels(voc: tuple[Path, Path]) -> None:
    root, sbd = voc

    def names(split: str) -> list[str]:
        return [path.stem for path in VOC2012(root, split, sbd=sbd).images]

    assert names("train_aug") == ["2007_000000", "2007_000001", "2008_000001", "2008_000002"]
    assert names("trainval_aug") == [
        "2007_000000", "2007_000001", "2007_000002", "2008_000001", "2008_000002"
    ]  # fmt: skip


def test_images_of_both_take_vocs_labels_and_others_sbds(voc: tuple[Path, Path]) -> None:
    root, sbd = voc
    data = VOC2012(root, "train_aug", sbd=sbd)
    assert (data.read(1).labels[:2] == IGNORE_INDEX).all()
    added = data.read(2)
    drawn = draw_scene(np.random.default_rng(4))[1]  # the first that `write_sbd` draws
    assert added.name == "2008_000001"
    assert np.array_equal(added.labels, np.array([0, 15, 20])[drawn])
    assert added.labels.dtype == torch.int64


def test_voc2012_names_what_is_missing(voc: tuple[Path, Path]) -> None:
    root, sbd = voc
    with pytest.raises(InputError, match="split is 'aug'; expected one of 'train', 'val', 'trainval', 'train_aug'"):
        VOC2012(root, "aug")
    with pytest.raises(
        InputError, match="split 'train_aug' needs the Semantic Boundaries Dataset; give its folder as sbd"
    ):
        VOC2012(root, "train_aug")
    with pytest.raises(InputError, match=r"list .*ImageSets/Segmentation/train.txt: no such file"):
        VOC2012(root / "JPEGImages")
    (sbd / "cls" / "2008_000002.mat").unlink()
    with pytest.raises(InputError, match=r"label folder .*cls: no label for 1 of 2 images, first for '2008_000002'"):
        VOC2012(root, "train_aug", sbd=sbd)
    (sbd / "cls" / "2008_000002.mat").write_bytes(b"nothing of the kind")
    with pytest.raises(InputError, match=r"2008_000002.mat: not a SBD label map"):
        VOC2012(root, "train_aug", sbd=sbd).read(3)
    (root / "JPEGImages" / "2007_000002.jpg").unlink()
    with pytest.raises(InputError, match=r"image folder .*JPEGImages: no image for 1 of 1 images"):
        VOC2012(root, "val")


def test_lists_hold_one_name_a_line(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("a  1\r\n\nb\n")
    assert read_names(tmp_path / "list.txt") == ["a", "b"]
    (tmp_path / "list.txt").write_text("\n")
    with pytest.raises(InputError, match="has no names; expected one on each line"):
        read_names(tmp_path / "list.txt")
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_names(tmp_path / "list.txt")
