"""Read the boundary map of an image from a file."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crispseg.data.arrays import array_names, read_array
from crispseg.data.files import check_readable
from crispseg.data.image import opened
from crispseg.errors import InputError

BOUNDARY_SUFFIXES = (".npy", ".png")

_WHITE = {"L": 255, "I;16": 65535, "I": 65535}
"""The pixel value of a probability of 1, by the mode of the image."""


def read_boundary(path: Path | str) -> Tensor:
    """Read a boundary map.

    Args:
        path: A greyscale PNG in which white is a probability of 1; or a `.npy` array of shape (h, w) or (1, h, w),
            floating point in [0, 1], or uint8 from 0 to 255.

    Returns:
        (1, h, w) float32 in [0, 1].

    Raises:
        InputError: If the file is missing, damaged or of another kind, or its values are not probabilities.
    """
    path = Path(path)
    check_readable(path, "boundary map")
    suffix = path.suffix.lower()
    if suffix not in BOUNDARY_SUFFIXES:
        raise InputError(f"boundary map {path}: unknown ending; expected one of {', '.join(BOUNDARY_SUFFIXES)}")
    return _from_png(path) if suffix == ".png" else _from_numpy(path)


def _from_png(path: Path) -> Tensor:
    with opened(path, "boundary map") as image:
        if image.mode not in _WHITE:
            raise InputError(
                f"boundary map {path}: its pixels are {image.mode}; expected a greyscale image, in which white is "
                "a probability of 1"
            )
        values = np.asarray(image).astype(np.float32) / _WHITE[image.mode]
    return torch.from_numpy(values)[None]


def _from_numpy(path: Path) -> Tensor:
    if array_names(path, "boundary map") != [""]:
        raise InputError(f"boundary map {path}: holds several arrays; expected one, written with numpy.save")
    values = read_array(path, "boundary map")
    shape = values.shape
    if len(shape) not in (2, 3) or shape[:-2] not in ((), (1,)) or 0 in shape:
        raise InputError(f"boundary map {path}: shape {shape}; expected (height, width) or (1, height, width)")
    if values.dtype == np.uint8:
        values = values.astype(np.float32) / 255
    if not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"boundary map {path}: its numbers are {values.dtype}; expected floating point, or uint8")
    if not (values.min() >= 0 and values.max() <= 1):  # so that NaN is refused too
        raise InputError(
            f"boundary map {path}: runs from {values.min():.4g} to {values.max():.4g}; expected probabilities in [0, 1]"
        )
    return torch.from_numpy(values.astype(np.float32)).reshape(1, *shape[-2:])
