"""`rebalance` in plain PyTorch, and its parts."""

import operator
from collections.abc import Mapping, Sequence
from functools import reduce

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

_TINY = 2.0**-120


def rebalance(before: Tensor, after: Tensor, guard: float, radii: Sequence[int], keep_thin: float) -> Tensor:
    """See `crispseg.ops.rebalance`."""
    wide = torch.promote_types(torch.promote_types(before.dtype, after.dtype), torch.float32)
    chances = before.to(wide)
    shares = keeping_thin(chances, after.to(wide), keep_thin)
    kept = rebalanced(shares, {radius: sums_around(chances, radius) for radius in radii}, guard)
    total = kept.sum(1, keepdim=True)
    return (kept * torch.where(total > 0, shares.sum(1, keepdim=True) / total, 1)).to(after.dtype)


def keeping_thin(before: Tensor, after: Tensor, share: float) -> Tensor:
    """Return filtered shares in which thin parts have some of their shares before the filter."""
    if not share or not after.numel():
        return after
    return after.lerp(before, share * thin_parts(before.argmax(1)).unsqueeze(1).to(after))


def thin_parts(labels: Tensor) -> Tensor:
    """Return a mask of the pixels of (..., H, W) labels that lie in no diamond of 13 pixels of one label.

    Example:
        >>> import torch
        >>> thin_parts(torch.tensor([[0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]]).expand(5, 12))[0].int()
        tensor([0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=torch.int32)
    """
    whole = reduce(operator.and_, (labels == other for other in _beside(labels)))
    whole = reduce(operator.and_, _beside(whole), whole)
    for _ in range(2):
        whole = reduce(operator.or_, _beside(whole), whole)
    return ~whole


def _beside(values: Tensor) -> list[Tensor]:
    """Return the values above, below, left and right of each; beyond the border, the value itself."""
    around = []
    for axis in (-2, -1):
        others = values.shape[axis] - 1
        around += [
            torch.cat([values.narrow(axis, 0, 1), values.narrow(axis, 0, others)], axis),
            torch.cat([values.narrow(axis, 1, others), values.narrow(axis, others, 1)], axis),
        ]
    return around


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
    # Clamped for the gradient of a power at 0; twice as fast as a power.
    return shares * (ratio.clamp(min=_TINY).log() * exponent).exp()


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
