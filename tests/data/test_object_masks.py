"""Masks of objects from files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crispseg.data.object_masks import read_object_masks
from crispseg.errors import InputError

NUMBERS = np.array([[0, 7, 7], [0, 3, 7]], np.uint8)


def test_a_map_of_numbers_holds_a_mask_for_each(tmp_path: Path) -> None:
    Image.fromarray(NUMBERS).save(tmp_path / "a.png")
    np.save(tmp_path / "a.npy", NUMBERS.astype(np.int32))
    for name in ("a.png", "a.npy"):
        masks, numbers = read_object_masks(tmp_path / name)
        assert numbers == (3, 7)
        assert np.array_equal(masks, [NUMBERS == 3, NUMBERS == 7])


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.float16])
def test_a_stack_is_taken_as_it_is(tmp_path: Path, dtype: type) -> None:
    stack: np.ndarray = np.stack([NUMBERS == 3, NUMBERS == 7]).astype(dtype)
    np.savez(tmp_path / "a.npz", stack[:, None])
    read = read_object_masks(tmp_path / "a.npz")
    assert read.numbers is None
    assert read.is_hard == (dtype is not np.float16)
    assert np.array_equal(read.masks, stack)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 5), np.uint8), "holds 0 objects; expected 1 to 1024"),
        (np.zeros((4, 5), np.float32), r"float32 of shape \(4, 5\); expected \(N, h, w\).*mask\[None\]"),
        (np.arange(20, dtype=np.uint8).reshape(1, 4, 5), "uint8 from 0 to 19; expected bool.*masks / 255"),
        (np.zeros((1025, 1, 1), bool), "holds 1025 objects"),
        (np.full((4, 5), -1), "object number -1; expected 1 and above"),
        (np.tile(np.arange(0, 250, 5), (9, 1)), "greys form ramps, like one soft mask"),
    ],
)
def test_what_is_not_a_stack_of_masks_is_refused(tmp_path: Path, array: np.ndarray, message: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=message):
        read_object_masks(tmp_path / "a.npy")
    with pytest.raises(InputError, match="unknown ending; expected"):
        read_object_masks(tmp_path / "a.safetensors")
