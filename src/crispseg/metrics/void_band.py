"""Boundaries that a band of void covers: PASCAL VOC's annotators left five pixels on every outline without a class."""

from collections.abc import Iterable

import torch
from torch import Tensor

from crispseg.metrics.contours import contour, slice_axis, square_maximum

VOID_BAND = 5
"""How wide a band is that is looked for in a data set, in pixels: VOC's."""

_VOID = -1


def void_band(labels: Tensor, width: int) -> Tensor:
    """Void pixels that lie between two labels, no farther than `width` pixels from either.

    They stand for a boundary. A wider void is none, nor is one that lies beside a single label, such as the bonnet of
    the car that took the picture.

    Args:
        labels: (H, W) int64, -1 for void.
        width: Of the widest band in pixels; distances are to each side, in a square. 0 for no band at all.

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
    """Labels with their `void_band` closed from both sides, so that two labels meet in its middle."""
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
    """Known pixels beside a boundary, and known pixels beside void that is none, (2,) int64.

    Args:
        labels: (H, W) int64, -1 for void.
        width: Of the widest band of void that is a boundary.
    """
    known, band = labels != _VOID, void_band(labels, width)
    on_boundary = known & (contour(labels, ignore_index=_VOID) | _beside(band))
    hidden = known & _beside(~known & ~band) & ~on_boundary
    return torch.stack([on_boundary.sum(), hidden.sum()])


def _beside(marked: Tensor) -> Tensor:
    """Pixels with a marked one above, below, left or right."""
    beside = torch.zeros_like(marked)
    for axis in (0, 1):
        rest = max(marked.shape[axis] - 1, 0)
        for onto, source in ((0, 1), (1, 0)):
            slice_axis(beside, axis, onto, onto + rest).logical_or_(slice_axis(marked, axis, source, source + rest))
    return beside


def find_void_band(label_maps: Iterable[Tensor]) -> int:
    """How wide the bands of void are that stand for boundaries: `VOID_BAND`, or 0 where labels touch each other.

    Args:
        label_maps: (H, W) int64, -1 for void, of some images of a data set.

    Returns:
        `VOID_BAND` if more pixels lie beside such a band than beside another label, else 0.

    Example:
        >>> find_void_band([torch.tensor([[0, 0, -1, -1, 1, 1]])]), find_void_band([torch.tensor([[0, 1, -1]])])
        (5, 0)
    """
    touching, across = 0, 0
    for labels in label_maps:
        without, with_ = (int(count_borders(labels, width)[0]) for width in (0, VOID_BAND))
        touching, across = touching + without, across + with_ - without
    return VOID_BAND if across > touching else 0
