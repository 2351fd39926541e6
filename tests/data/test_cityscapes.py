"""Cityscapes is read in its released layout, in the classes that are evaluated."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crispseg import InputError
from crispseg.data import IGNORE_INDEX, Cityscapes
from tests.fakes import draw_scene, write_cityscapes


def test_cityscapes_numbers_the_nineteen_classes(tmp_path: Path) -> None:
    data = Cityscapes(write_cityscapes(tmp_path))
    assert (len(data), data.num_classes) == (2, 19)
    sample = data.read(1)
    assert sample.name == "bochum/bochum_000000_000019"
    rng = np.random.default_rng(5)  # as `write_cityscapes` draws
    drawn = [draw_scene(rng)[1] for _ in range(2)][1]
    expected = np.array([data.class_names.index(name) for name in ("road", "sky", "car")])[drawn]
    expected[:2] = IGNORE_INDEX
    assert np.array_equal(sample.labels, expected)


def test_cityscapes_knows_every_released_id(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path, cities=("aachen",))
    path = root / "gtFine" / "train" / "aachen" / "aachen_000000_000019_gtFine_labelIds.png"
    ids = np.full((48, 64), 255, dtype=np.uint8)
    ids[0, :34] = np.arange(34)
    Image.fromarray(ids).save(path)
    void = IGNORE_INDEX
    assert Cityscapes(root).read(0).labels[0, :35].tolist() == [
        *[void] * 7, 0, 1, void, void, 2, 3, 4, void, void, void, 5, void, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15,
        void, void, 16, 17, 18, void,
    ]  # fmt: skip
    ids[0, 0] = 34
    Image.fromarray(ids).save(path)
    with pytest.raises(InputError, match="label 34 is not in Cityscapes' ids"):
        Cityscapes(root).read(0)


def test_cityscapes_names_what_is_missing(tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path)
    with pytest.raises(InputError, match="split is 'test'; expected one of 'train', 'val'"):
        Cityscapes(root, "test")
    with pytest.raises(InputError, match=r"image folder .*val: no such folder"):
        Cityscapes(root, "val")
    (root / "gtFine" / "train" / "bochum" / "bochum_000000_000019_gtFine_labelIds.png").unlink()
    with pytest.raises(
        InputError, match=r"no label map for 1 of 2 images; expected .*bochum_000000_000019_gtFine_labelIds.png"
    ):
        Cityscapes(root)
    (root / "leftImg8bit" / "train" / "bochum" / "bochum_000000_000019_leftImg8bit.png").rename(
        root / "leftImg8bit" / "train" / "bochum" / "a.png"
    )
    with pytest.raises(InputError, match=r"bochum: no file ends in _leftImg8bit.png"):
        Cityscapes(root)
