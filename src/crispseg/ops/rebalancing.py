"""The parts of `rebalance` in plain PyTorch, which also serve maps that are filtered label by label."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

_TINY = 2.0**-120

_RAREST = 8.0
"""How many times as large as the abundance of its label a share counts at most. Without a bound, traces of labels that
are nowhere around would win where the guard is strong."""

THIN_REACH = 2
"""How far a diamond reaches from its centre, up, down, left and right."""


def keeping_thin(before: Tensor, after: Tensor, share: float, reach: int = THIN_REACH) -> Tensor:
    """Return filtered shares in which thin parts have some of their shares before the filter."""
    if not share or not after.numel():
        return after
    most, labels = before.max(1)
    return after.lerp(before, share * thin_parts(labels, most > 0, reach).unsqueeze(1).to(after))


def thin_parts(labels: Tensor, there: Tensor, reach: int = THIN_REACH) -> Tensor:
    """Return a mask of the pixels that lie in no diamond of one label.

    Args:
        labels: (..., H, W) labels.
        there: Mask of the pixels that have a label; others, and those outside the image, are of any label.
        reach: How far the diamonds reach; those of 2 have 13 pixels.

    Example:
        >>> import torch
        >>> labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]).expand(5, 12)
        >>> thin_parts(labels, labels >= 0)[0].int()
        tensor([0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=torch.int32)
    """
    limits = torch.iinfo(labels.dtype)
    highest = _around(labels.masked_fill(~there, limits.min), reach, torch.maximum)
    lowest = _around(labels.masked_fill(~there, limits.max), reach, torch.minimum)
    return ~_around(there & (highest == lowest), reach, torch.logical_or)


def _around(values: Tensor, steps: int, join: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Return the values of all pixels within some steps of each pixel, joined."""
    for _ in range(steps):
        found = values
        for axis in (-2, -1):
            rest = values.shape[axis] - 1
            ahead = torch.cat([values.narrow(axis, 1, rest), values.narrow(axis, rest, 1)], axis)
            behind = torch.cat([values.narrow(axis, 0, 1), values.narrow(axis, 0, rest)], axis)
            found = join(found, join(ahead, behind))
        values = found
    return values


def rebalanced(shares: Tensor, around: Mapping[int, Tensor], guard: float) -> Tensor:
    """Return filtered shares, divided by the abundance of their label to the power of the guard.

    The result is raised to the power 1 / (1 - guard), so that a share that equals its abundance stays as it is.

    Args:
        shares: Filtered shares.
        around: Sums of the unfiltered shares of the same labels around the same pixels, from `sums_around`, by radius.
        guard: Above 0 and up to 0.5.
    """
    ratio = torch.ones_like(shares)
    for radius, total in around.items():
        mean = (total + shares) / ((2 * radius + 1) ** 2 + 1)  # the pixel counts once more, so that it is never 0
        ratio = ratio * (shares / mean.clamp(min=_TINY))
    exponent = guard / (1 - guard) / len(around)
    # Clamped below for the gradient of a power at 0; twice as fast as a power.
    return shares * (ratio.clamp(_TINY, _RAREST ** len(around)).log() * exponent).exp()


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
