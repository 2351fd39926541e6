"""The guard: a rare label must not lose a pixel to one that is merely common around it, nor a thin part its pixels."""

import math
from collections.abc import Iterable, Sequence

from torch import Tensor

from crispseg.grid import Line
from crispseg.inference.gentleness import partly_guarded
from crispseg.inference.shares import Shares
from crispseg.ops import rebalance
from crispseg.ops.rebalancing import THIN_REACH, keeping_thin
from crispseg.window import Level

KEEP_THIN = 0.4
"""How much of the shares of thin parts is that before the filter, which loses poles that look like what is behind."""

_THIN_CELLS = 3
"""A part of a label map is thin too if it is less than so many cells wide: its cells are as coarse as it is."""

_FARTHEST = 6
"""How far the diamonds of a label map reach at most, in pixels. In a coarser map, corners of its cells would stay."""

_SMALLEST = 8
"""Smallest radius of the small square, in pixels: in a smaller one, thin objects are common too."""


def guarded(before: Shares, after: Shares, guard: float, radii: Sequence[int], valid: Tensor | None = None) -> Shares:
    """Return filtered shares in which labels that are common around a pixel count less there.

    An average favours common labels: a pole of few pixels is lost in its surroundings. So thin parts of a label keep
    some of their shares, and then common labels count less; see `crispseg.ops.rebalance`. Equal scores all over an
    image stay as they are.

    For labels that may overlap, the two labels of each channel are "no" and "yes".

    Args:
        before: Shares of the upsampled scores. They say how much of the guard acts, and what is thin.
        after: The same shares after the filter.
        guard: Above 0 and up to 0.5.
        radii: How far around a pixel its surroundings reach; see `radii_of`.
        valid: (H, W) bool mask of the pixels with data; None if all have.

    Example:
        >>> import torch
        >>> before = Shares.of(torch.tensor([[0.1, 0.6, 0.1], [0.9, 0.4, 0.9]]).reshape(1, 2, 1, 3), "probabilities")
        >>> after = before.with_values(torch.tensor([[0.3, 0.4, 0.3], [0.7, 0.6, 0.7]]).reshape(1, 2, 1, 3))
        >>> guarded(before, after, 0.5, radii=[1]).values[0, 0, 0]
        tensor([0.1524, 0.6442, 0.1524])
    """
    chances = before.choices()
    surroundings = chances if valid is None else chances * valid.to(chances.device)
    choices, kept = after.choices(), KEEP_THIN
    if before.thin_reach > THIN_REACH:  # the operator has diamonds of this reach alone
        choices, kept = keeping_thin(surroundings, choices, KEEP_THIN, before.thin_reach), 0
    crisp = after.with_choices(rebalance(surroundings, choices, guard, radii, keep_thin=kept))
    return after.with_values(partly_guarded(after.values, crisp.values, before.gentleness))


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


def thin_reach_of_cells(lines: Iterable[Line]) -> int:
    """Return how far the diamonds reach that thin parts of a label map do not hold, given how it lies on the image.

    Example:
        >>> [thin_reach_of_cells([Line.tiling(100 // cell, 100)]) for cell in (1, 2, 4, 10)]
        [2, 3, 6, 6]
    """
    reaches = (round(_THIN_CELLS / 2 * line.pixels / line.steps) for line in lines)
    return min(max(THIN_REACH, *reaches), _FARTHEST)


def guard_reach(guard: float | None, thin_reach: int) -> int:
    """Return how far away, in pixels, a pixel may affect others in addition to the squares of `radii_of`."""
    return 0 if guard is None else 2 * thin_reach


def filter_spread(levels: Iterable[Level]) -> int:
    """Return the standard deviation, in pixels, of the filter if all neighbours have the same weight.

    Example:
        >>> from crispseg.window import Window
        >>> filter_spread([Level(Window(9), passes=25)])
        13
    """
    variances = (level.passes * level.window.dilation**2 * (level.window.size**2 - 1) / 12 for level in levels)
    return round(math.sqrt(sum(variances)))
