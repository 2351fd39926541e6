"""Whether an image is faint: its differences are all small, as in fog, at night or in an X-ray."""

import torch
from torch import Tensor

from crispseg.data.box import cut
from crispseg.data.intensity import to_floats
from crispseg.data.pixels import Pixels
from crispseg.inference.nodata import valid_there

_USUAL = 0.08
"""The spread of colours from which images are not faint. Photographs of PASCAL VOC have 0.10 and more."""

_MOST = 10.0
"""By how much the differences of pixels count more at most."""

_ROWS = 8
"""One row of so many is looked at."""

_AT_ONCE = 512
"""Rows and columns of an image that are read at a time."""


def faintness(image: Tensor) -> Tensor:
    """Return (N, 1, 1, 1): by how much the differences of pixels count more in (N, 3, H, W) images, from 1 to 10.

    Without it the filter would take a faint image for one without boundaries, and erase what is in it.

    Example:
        >>> import torch
        >>> image = torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2)
        >>> faintness(image).item(), round(faintness(image * 0.05).item(), 3)
        (1.0, 3.2)
    """
    rows = to_floats(image[..., ::_ROWS, :]).float()
    spread = rows.std((-2, -1), correction=0).mean(1)
    return _factor(spread)[:, None, None, None]


def faintness_of_pixels(image: Pixels) -> Tensor:
    """Return what `faintness` returns for an image read in parts, without pixels that lack data."""
    count, total, squares = 0, torch.zeros(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    for box in cut(image.size, _AT_ONCE):
        valid, rows = valid_there(image, box), slice(-box.top % _ROWS, None, _ROWS)
        values = to_floats(image.read(box)[:, rows]).double().flatten(1).cpu()
        values = values if valid is None else values[:, valid[rows].flatten().cpu()]
        count += values.shape[1]
        total, squares = total + values.sum(1), squares + values.square().sum(1)
    mean = total / max(count, 1)
    spread = (squares / max(count, 1) - mean.square()).clamp(min=0).sqrt().mean()
    return _factor(spread.float()).reshape(1, 1, 1, 1)


def _factor(spread: Tensor) -> Tensor:
    return (_USUAL / spread.clamp(min=_USUAL / _MOST)).clamp(min=1)
