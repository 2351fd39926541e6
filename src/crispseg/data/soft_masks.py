"""Distinguish greyscale masks, whose greys are probabilities, from label maps."""

import torch
from torch import Tensor

_MANY = 16
"""Fewer greys than this may be labels, unless they lie between black and white almost everywhere."""

_RESIZED = 3, 0.9
"""A mask of black and white that was resized has at least so many greys between, and so many of them form ramps.

In label maps of CamVid and VOC with the void label 255, some shrunk to a 32nd, at most 0.8 of so many labels did.
"""

_BETWEEN = 0.25
"""A grey is part of a ramp if at least this share of its pixels lies between a darker and a brighter neighbour."""


def is_soft(values: Tensor) -> bool:
    """Return whether the numbers of an (h, w) image form ramps, as greys do and labels do not.

    Where two labels meet, the value jumps from one pixel to the next; hardly any pixel lies between a smaller and a
    larger neighbour. In a blurred mask, most greys do.

    Example:
        >>> is_soft(torch.linspace(-9, 9, 60).sigmoid().mul(255).round().long().expand(50, 60))
        True
        >>> is_soft(torch.arange(100).reshape(10, 10).repeat_interleave(6, 0).repeat_interleave(6, 1))
        False
    """
    if not values.numel() or int(values.max()) < white_of(int(values.max())) / 2:
        return False
    _, found = _ramps(values)
    if len(found) >= _MANY:
        return bool(found.double().mean() >= 0.5)
    least, share = _RESIZED
    dark, bright = int(values.min()), int(values.max())
    return (dark, bright) == (0, white_of(bright)) and len(found) >= least and bool(found.double().mean() >= share)


def as_probability(values: Tensor) -> Tensor | None:
    """Return greys from 0 to 255 or 65535 as (1, h, w) float32 probability; None if they are labels."""
    full = white_of(int(values.max()))
    greys, found = _ramps(values)
    extremes = set(torch.unique(values).tolist()) <= {0, full}
    if extremes or (len(greys) and bool(found.double().mean() >= 0.5)):
        return (values.float() / full)[None]
    return None


def white_of(brightest: int) -> int:
    """Return the value of white in 8 or 16 bits. The brightest pixel of a mask reaches at least half of it."""
    return 255 if brightest <= 255 else 65535


def _ramps(values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the greys between the darkest and the brightest, and whether each is part of a ramp."""
    between = torch.zeros_like(values, dtype=torch.bool)
    for axis in (0, 1):
        if values.shape[axis] > 2:
            first, middle, last = (values.narrow(axis, start, values.shape[axis] - 2) for start in range(3))
            between.narrow(axis, 1, values.shape[axis] - 2).logical_or_(
                ((first < middle) & (middle < last)) | ((first > middle) & (middle > last))
            )
    greys, index, counts = torch.unique(values, return_inverse=True, return_counts=True)
    ramps = torch.zeros(len(greys)).scatter_add_(0, index.flatten(), between.flatten().float())
    return greys[1:-1], (ramps / counts >= _BETWEEN)[1:-1]
