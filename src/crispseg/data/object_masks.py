"""Read the masks of the objects of an image: a stack of masks, or a map of object numbers."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from crispseg.data.arrays import array_names, read_array
from crispseg.data.labels import LABEL_SUFFIXES, read_labels
from crispseg.data.soft_masks import is_soft
from crispseg.errors import InputError

_MOST_OBJECTS = 1024


class ObjectMasks(NamedTuple):
    """Masks of objects, as `crispseg.sharpen_masks` takes them."""

    masks: NDArray[np.generic]
    """(N, h, w) bool or floating point."""
    numbers: tuple[int, ...] | None
    """The number of each object in the map that they were read from; None for a stack of masks."""

    @property
    def is_hard(self) -> bool:
        """Whether the masks are bool."""
        return self.masks.dtype == np.bool_


def read_object_masks(path: Path) -> ObjectMasks:
    """Read the masks of N objects.

    Args:
        path: `.npy`, or `.npz` with one array: (N, h, w) bool, whole numbers that are all 0 and 1 or all 0 and 255, or
            floating point; or (h, w) whole numbers, 0 beside all objects. Or an indexed or greyscale picture of such
            numbers.

    Raises:
        InputError: If the file is missing, damaged or of another kind, or holds no object or more than 1024.
    """
    suffix = path.suffix.lower()
    if suffix in LABEL_SUFFIXES:
        return _of_numbers(read_labels(path).labels.numpy(), path)
    if suffix not in (".npy", ".npz"):
        raise InputError(
            f"masks {path}: unknown ending; expected .npy, .npz, or a picture of object numbers such as .png"
        )
    names = array_names(path, "masks")
    if len(names) != 1:
        raise InputError(f"masks {path}: holds arrays {names[:10]}; expected exactly one, (N, h, w)")
    array = read_array(path, "masks", names[0])
    if array.ndim == 2 and np.issubdtype(array.dtype, np.integer):
        return _of_numbers(array, path)
    array = array[:, 0] if array.ndim == 4 and array.shape[1] == 1 else array
    if array.ndim != 3 or 0 in array.shape or array.dtype.kind not in "buif":
        raise InputError(
            f"masks {path}: {array.dtype} of shape {array.shape}; expected (N, h, w) bool or floating point, or (h, w) "
            "whole numbers of objects: pass one mask as mask[None]"
        )
    _check_count(len(array), path)
    return ObjectMasks(array.astype(np.float32) if array.dtype.kind == "f" else _hard(array, path), None)


def _of_numbers(numbers: NDArray[np.generic], path: Path) -> ObjectMasks:
    whole = numbers.astype(np.int64)
    if whole.size and whole.min() < 0:
        raise InputError(f"masks {path}: object number {whole.min()}; expected 1 and above, 0 beside all objects")
    if is_soft(torch.from_numpy(whole)):
        raise InputError(
            f"masks {path}: its greys form ramps, like one soft mask; expected a number for each object, 0 beside "
            "them: give it as a soft mask"
        )
    objects = np.unique(whole[whole > 0])
    _check_count(len(objects), path)
    return ObjectMasks(whole == objects[:, None, None], tuple(objects.tolist()))


def _hard(array: NDArray[np.generic], path: Path) -> NDArray[np.generic]:
    found = set(np.unique(array).tolist())
    if not (found <= {0, 1} or found <= {0, 255}):
        raise InputError(
            f"masks {path}: {array.dtype} from {min(found)} to {max(found)}; expected bool, or only 0 and 1, or only 0 "
            "and 255: give soft masks as floating point, masks / 255"
        )
    return array.astype(bool)


def _check_count(count: int, path: Path) -> None:
    if not 0 < count <= _MOST_OBJECTS:
        raise InputError(f"masks {path}: holds {count} objects; expected 1 to {_MOST_OBJECTS}")
