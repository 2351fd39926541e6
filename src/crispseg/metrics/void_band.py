"""Boundaries covered by a band of void, such as the five pixels without a class on every outline of PASCAL VOC."""

from collections.abc import Iterable

import torch
from torch import Tensor

from crispseg.metrics.contours import contour, slice_axis, square_maximum

VOID_BAND = 5
"""Width of the bands that are searched for in a data set, in pixels: the width in PASCAL VOC."""

_VOID = -1


def void_band(labels: Tensor, width: int) -> Tensor:
    """Return the void pixels that lie between two labels, at most `width` pixels from both.

    They count as a boundary. Wider void does not, and neither does void beside a single label, such as the bonnet of
    the car that took the picture.

    Args:
        labels: (H, W) int64, -1 for void.
        width: Width of the widest band in pixels; distances are to each side, in a square. 0 for no band.

    Returns:
        (H, W) bool.

    Example:
        >>> void_band(torch.tensor([[0, 0, -1, -1, -1, 1, 1, -1, -1]]), width=3).int()
        tensor([[0, 0, 1, 1, 1, 0, 0, 0, 0]], dtype=torch.int32)
    """
    void = labels == _VOID
    if not width or not void.any():
        return torch.zeros_like(void)
    highest = square_maximum(labels, width)
    lowest = -square_maximum((-labels).masked_fill(void, torch.iinfo(labels.dtype).min), width)
    return void & (highest != _VOID) & (highest != lowest)


def filled(labels: Tensor, width: int) -> Tensor:
    """Return labels with their `void_band` filled from both sides, so that the two labels meet in its middle."""
    band, steps = void_band(labels, width), 0
    while band.any() and steps < width:
        grown = labels.clone()
        for axis in (0, 1):
            rest = max(labels.shape[axis] - 1, 0)
            for onto, source in ((0, 1), (1, 0)):
                target = slice_axis(grown, axis, onto, onto + rest)
                neighbour = slice_axis(labels, axis, source, source + rest)
                takes = slice_axis(band, axis, onto, onto + rest) & (target == _VOID)
                target.copy_(neighbour.where(takes, target))
        labels, band, steps = grown, band & (grown == _VOID), steps + 1
    return labels


def count_borders(labels: Tensor, width: int) -> Tensor:
    """Count the known pixels beside a boundary, and those beside other void, as (2,) int64.

    Args:
        labels: (H, W) int64, -1 for void.
        width: Width of the widest band of void that counts as a boundary, in pixels.
    """
    known, band = labels != _VOID, void_band(labels, width)
    on_boundary = known & (contour(labels, ignore_index=_VOID) | _beside(band))
    hidden = known & _beside(~known & ~band) & ~on_boundary
    return torch.stack([on_boundary.sum(), hidden.sum()])


def _beside(marked: Tensor) -> Tensor:
    """Return the pixels with a marked pixel above, below, left or right."""
    beside = torch.zeros_like(marked)
    for axis in (0, 1):
        rest = max(marked.shape[axis] - 1, 0)
        for onto, source in ((0, 1), (1, 0)):
            slice_axis(beside, axis, onto, onto + rest).logical_or_(slice_axis(marked, axis, source, source + rest))
    return beside


def find_void_band(label_maps: Iterable[Tensor]) -> int:
    """Find whether bands of void cover the boundaries of a data set, and return their width.

    Args:
        label_maps: (H, W) int64, -1 for void, of some images of a data set.

    Returns:
        `VOID_BAND` if more pixels lie beside such a band than beside another label, otherwise 0.

    Example:
        >>> find_void_band([torch.tensor([[0, 0, -1, -1, 1, 1]])]), find_void_band([torch.tensor([[0, 1, -1]])])
        (5, 0)
    """
    touching, across = 0, 0
    for labels in label_maps:
        without, with_ = (int(count_borders(labels, width)[0]) for width in (0, VOID_BAND))
        touching, across = touching + without, across + with_ - without
    return VOID_BAND if across > touching else 0
