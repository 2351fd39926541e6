"""`rebalance` in plain PyTorch, and its parts."""

import operator
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.precision import at_least_float32

_TINY = 2.0**-120

_RAREST = 8.0
"""How many times as large as the abundance of its label a share counts at most. Without a bound, traces of labels that
are nowhere around would win where the guard is strong."""

_STEPS = 2
"""How far a diamond reaches from its centre, up, down, left and right."""


def rebalance(before: Tensor, after: Tensor, guard: float, radii: Sequence[int], keep_thin: float) -> Tensor:
    """See `crispseg.ops.rebalance`."""
    wide = at_least_float32(before, after)
    chances = before.to(wide)
    shares = keeping_thin(chances, after.to(wide), keep_thin)
    kept = rebalanced(shares, {radius: sums_around(chances, radius) for radius in radii}, guard)
    total = kept.sum(1, keepdim=True)
    return (kept * torch.where(total > 0, shares.sum(1, keepdim=True) / total, 1)).to(after.dtype)


def keeping_thin(before: Tensor, after: Tensor, share: float) -> Tensor:
    """Return filtered shares in which thin parts have some of their shares before the filter."""
    if not share or not after.numel():
        return after
    most, labels = before.max(1)
    return after.lerp(before, share * thin_parts(labels, most > 0).unsqueeze(1).to(after))


def thin_parts(labels: Tensor, there: Tensor) -> Tensor:
    """Return a mask of the pixels that lie in no diamond of 13 pixels of one label.

    Args:
        labels: (..., H, W) labels.
        there: Mask of the pixels that have a label; others, and those outside the image, are of any label.

    Example:
        >>> import torch
        >>> labels = torch.tensor([0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]).expand(5, 12)
        >>> thin_parts(labels, labels >= 0)[0].int()
        tensor([0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=torch.int32)
    """
    pairs = zip(_diamond(labels), _diamond(there.long()), strict=True)
    whole = reduce(operator.and_, ((other == labels) | (known == 0) for other, known in pairs), there)
    return reduce(torch.maximum, _diamond(whole.long())) == 0


def _diamond(values: Tensor) -> Iterator[Tensor]:
    """Yield the values of all pixels within two steps of each pixel; 0 outside the image."""
    height, width = values.shape[-2:]
    wide = F.pad(values, [_STEPS] * 4)
    for down in range(-_STEPS, _STEPS + 1):
        across = _STEPS - abs(down)
        for right in range(-across, across + 1):
            yield wide.narrow(-2, _STEPS + down, height).narrow(-1, _STEPS + right, width)


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
