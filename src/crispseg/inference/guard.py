"""The guard: a rare label must not lose a pixel to a label that is merely common around it."""

import math
from collections.abc import Iterable

import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.inference.shares import Shares
from crispseg.window import Level


def guarded(before: Shares, after: Shares, guard: float, radius: int) -> Shares:
    """Return filtered shares, restored to their old values where a label wins only because it is common around a pixel.

    An average favours common labels: a pole of few pixels is lost in its surroundings. The guard looks at every pixel
    whose label changes. For both labels it divides the filtered probability by the sum of the label's unfiltered
    probabilities around the pixel, to the power of `guard`. If the new label is still ahead, the change stands;
    otherwise the pixel keeps its old shares.

    For labels that may overlap, the two labels of each channel are "no" and "yes".

    Args:
        before: Shares of the upsampled scores.
        after: The same shares after the filter.
        guard: Above 0 and up to 1. Near 0 hardly any change is refused; at 1 the frequency of a label has no effect.
        radius: How far the summed square reaches from its pixel, in pixels: its side is 2 * radius + 1. See `spread`.

    Example:
        >>> import torch
        >>> before = Shares.of(torch.tensor([[0.1, 0.6, 0.1], [0.9, 0.4, 0.9]]).reshape(1, 2, 1, 3), "probabilities")
        >>> after = before.with_values(torch.tensor([[0.3, 0.4, 0.3], [0.7, 0.6, 0.7]]).reshape(1, 2, 1, 3))
        >>> guarded(before, after, 0.8, radius=1).values[0, 0, 0].tolist()  # 0.4 / 0.8**0.8 > 0.6 / 2.2**0.8
        [0.30000001192092896, 0.6000000238418579, 0.30000001192092896]
    """
    chances, filtered = before.choices(), after.choices()
    old, new = chances.argmax(1, keepdim=True), filtered.argmax(1, keepdim=True)
    around = sums_around(chances, radius)
    lost, won = (filtered.gather(1, old), around.gather(1, old)), (filtered.gather(1, new), around.gather(1, new))
    return after.chosen(is_refused(*lost, *won, guard), before)


def is_refused(old: Tensor, old_around: Tensor, new: Tensor, new_around: Tensor, guard: float) -> Tensor:
    """Return a bool mask of the pixels where the guard refuses the new label.

    Args:
        old: Filtered probability of the old label.
        old_around: Sum of the old label's unfiltered probabilities around the pixel.
        new: Filtered probability of the new label.
        new_around: Sum of the new label's unfiltered probabilities around the pixel.
        guard: Above 0 and up to 1.
    """
    return new * old_around**guard < old * new_around**guard


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
