"""The guard: a rare label must not lose a pixel to a label that is merely common around it."""

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.inference.shares import Shares
from crispseg.window import Level

_TINY = 2.0**-120

_SMALLEST = 8
"""Smallest radius of the small square, in pixels: in a smaller one, thin objects are common too."""


def guarded(before: Shares, after: Shares, guard: float, radii: Sequence[int], valid: Tensor | None = None) -> Shares:
    """Return filtered shares in which labels that are common around a pixel count less there.

    An average favours common labels: a pole of few pixels is lost in its surroundings. See `rebalanced` for what the
    guard does to each label. The shares of a pixel keep their sum, and equal scores all over an image stay as they are.

    For labels that may overlap, the two labels of each channel are "no" and "yes".

    Args:
        before: Shares of the upsampled scores.
        after: The same shares after the filter.
        guard: Above 0 and up to 0.5.
        radii: How far around a pixel its surroundings reach; see `radii_of`.
        valid: (H, W) bool mask of the pixels with data; None if all have.

    Example:
        >>> before = Shares.of(torch.tensor([[0.1, 0.6, 0.1], [0.9, 0.4, 0.9]]).reshape(1, 2, 1, 3), "probabilities")
        >>> after = before.with_values(torch.tensor([[0.3, 0.4, 0.3], [0.7, 0.6, 0.7]]).reshape(1, 2, 1, 3))
        >>> guarded(before, after, 0.5, radii=[1]).values[0, 0, 0]
        tensor([0.2687, 0.5091, 0.2687])
    """
    filtered, chances = after.choices(), before.choices()
    chances = chances if valid is None else chances * valid.to(chances.device)
    kept = rebalanced(filtered, {radius: sums_around(chances, radius) for radius in radii}, guard)
    total = kept.sum(1, keepdim=True)
    return after.with_choices(kept * torch.where(total > 0, filtered.sum(1, keepdim=True) / total, 1))


def rebalanced(shares: Tensor, around: Mapping[int, Tensor], guard: float) -> Tensor:
    """Return filtered shares, divided by the abundance of their label to the power of the guard.

    The abundance is the geometric mean of the mean shares in squares around the pixel: a label that is rare in one of
    them counts as rare. The result is raised to the power 1 / (1 - guard), so that a share that equals its abundance
    stays as it is.

    Args:
        shares: Filtered shares.
        around: Sums of the unfiltered shares of the same labels around the same pixels, from `sums_around`, by radius.
        guard: Above 0 and up to 0.5.
    """
    abundance: Tensor | float = 1.0
    for radius, total in around.items():  # the pixel counts once more, so that it is never 0
        mean = (total + shares) / ((2 * radius + 1) ** 2 + 1)
        # Clamped for the gradient of a power at 0.
        abundance = abundance * mean.clamp(min=_TINY) ** (1 / len(around))
    ratio = (shares / abundance).clamp(min=_TINY)
    return shares * (ratio.log() * (guard / (1 - guard))).exp()  # twice as fast as a power


def radii_of(levels: Iterable[Level]) -> list[int]:
    """Return the radii, in pixels, of the squares in which abundance is measured.

    The large one is `spread`: a thin object is rare there. The small one is a third of it, at least 8 pixels: an object
    that is merely smaller than the large square is not rare there, and gains less.

    Example:
        >>> from crispseg.window import Window
        >>> radii_of([Level(Window(9), passes=25)])
        [13, 8]
    """
    large = spread(levels)
    return sorted({large, min(large, max(round(large / 3), _SMALLEST))}, reverse=True)


def spread(levels: Iterable[Level]) -> int:
    """Return the standard deviation, in pixels, of the filter if all neighbours have the same weight.

    Example:
        >>> from crispseg.window import Window
        >>> spread([Level(Window(9), passes=25)])
        13
    """
    variances = (passes * window.dilation**2 * (window.size**2 - 1) / 12 for window, passes in levels)
    return round(math.sqrt(sum(variances)))


def sums_around(values: Tensor, radius: int) -> Tensor:
    """Return the sums of (..., H, W) values over a square of side 2 * radius + 1 around each pixel, 0 outside.

    Example:
        >>> import torch
        >>> sums_around(torch.arange(4.0).reshape(1, 4), 1)
        tensor([[1., 3., 6., 5.]])
    """
    for axis in (-1, -2):
        values = _running_sum(values, axis, 2 * radius + 1)
    return values


def _running_sum(values: Tensor, axis: int, count: int) -> Tensor:
    """Return the sums of `count` values around each value along an axis.

    They are built from sums of 1, 2, 4, … values, which needs few additions and no subtractions.
    """
    length, ends = values.shape[axis], [count // 2, count // 2]
    power, wide = 1, F.pad(values, ends if axis == -1 else [0, 0, *ends])
    total, done = None, 0
    while True:
        if count & power:
            part = wide.narrow(axis, done, length)
            total = part if total is None else total + part
            done += power
        power *= 2
        if power > count:
            break
        shorter = wide.shape[axis] - power // 2
        wide = wide.narrow(axis, 0, shorter) + wide.narrow(axis, power // 2, shorter)
    assert total is not None, "count is odd"
    return total
