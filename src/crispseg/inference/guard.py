"""The guard: a rare label must not lose a pixel to a label that is merely common around it."""

import math
from collections.abc import Iterable, Sequence

from torch import Tensor

from crispseg.inference.shares import Shares
from crispseg.ops import rebalance
from crispseg.window import Level

_SMALLEST = 8
"""Smallest radius of the small square, in pixels: in a smaller one, thin objects are common too."""


def guarded(before: Shares, after: Shares, guard: float, radii: Sequence[int], valid: Tensor | None = None) -> Shares:
    """Return filtered shares in which labels that are common around a pixel count less there.

    An average favours common labels: a pole of few pixels is lost in its surroundings. See `crispseg.ops.rebalance`
    for what the guard does to each label. Equal scores all over an image stay as they are.

    For labels that may overlap, the two labels of each channel are "no" and "yes".

    Args:
        before: Shares of the upsampled scores.
        after: The same shares after the filter.
        guard: Above 0 and up to 0.5.
        radii: How far around a pixel its surroundings reach; see `radii_of`.
        valid: (H, W) bool mask of the pixels with data; None if all have.

    Example:
        >>> import torch
        >>> before = Shares.of(torch.tensor([[0.1, 0.6, 0.1], [0.9, 0.4, 0.9]]).reshape(1, 2, 1, 3), "probabilities")
        >>> after = before.with_values(torch.tensor([[0.3, 0.4, 0.3], [0.7, 0.6, 0.7]]).reshape(1, 2, 1, 3))
        >>> guarded(before, after, 0.5, radii=[1]).values[0, 0, 0]
        tensor([0.2687, 0.5091, 0.2687])
    """
    chances = before.choices()
    surroundings = chances if valid is None else chances * valid.to(chances.device)
    return after.with_choices(rebalance(surroundings, after.choices(), guard, radii))


def radii_of(levels: Sequence[Level]) -> list[int]:
    """Return the radii, in pixels, of the squares in which abundance is measured.

    The large one is `filter_spread`: a thin object is rare there. The small one is a third of it, at least 8 pixels: an
    object that is merely smaller than the large square is not rare there, and gains less. Regional levels do not count.

    Example:
        >>> from crispseg.window import Window
        >>> radii_of([Level(Window(9), passes=25)])
        [13, 8]
    """
    local = [level for level in levels if not level.is_regional]
    large = filter_spread(local or levels)
    return sorted({large, min(large, max(round(large / 3), _SMALLEST))}, reverse=True)


def filter_spread(levels: Iterable[Level]) -> int:
    """Return the standard deviation, in pixels, of the filter if all neighbours have the same weight.

    Example:
        >>> from crispseg.window import Window
        >>> filter_spread([Level(Window(9), passes=25)])
        13
    """
    variances = (level.passes * level.window.dilation**2 * (level.window.size**2 - 1) / 12 for level in levels)
    return round(math.sqrt(sum(variances)))
