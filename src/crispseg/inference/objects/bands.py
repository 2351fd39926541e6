"""Where a mask may change: near its own boundary, as far as its resolution leaves the boundary open."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

UNSURE = 0.4
"""How far from 0.5 the probability of a pixel may be that may change."""

OUTLINE_CELLS, OUTLINE_PIXELS = 0.5, 3
"""How far from the boundary of a mask that is 0 and 1 a pixel may change: half a cell, and at least so many pixels."""


def free_pixels(values: Tensor, cell: tuple[float, float], *, is_hard: bool, band: float | None) -> Tensor:
    """Return as (H, W) bool which pixels of a mask may change.

    Args:
        values: (H, W) probabilities.
        cell: Height and width in pixels of a cell of the mask before it was upsampled.
        is_hard: Whether the mask was 0 and 1 before.
        band: How far from the boundary pixels may change, in pixels; None for the default.
    """
    unsure = (values - 0.5).abs() < UNSURE
    if band is None and not is_hard:
        return unsure
    near = near_boundary(values > 0.5, (_reach(cell[0], band), _reach(cell[1], band)))
    return near if band is not None else unsure | near


def reach(cell: tuple[float, float], band: float | None) -> int:
    """Return how far beside the cells of a mask a pixel may change."""
    return max(_reach(side, band) for side in cell)


def _reach(side: float, band: float | None) -> int:
    return math.ceil(band) if band is not None else max(round(OUTLINE_CELLS * side), OUTLINE_PIXELS)


def near_boundary(inside: Tensor, reach: tuple[int, int]) -> Tensor:
    """Return as (H, W) bool which pixels lie within a reach (rows, columns) of a pixel on the other side of a mask.

    Example:
        >>> near_boundary(torch.tensor([[0, 0, 0, 1, 1, 1]]) > 0, (1, 1))[0].int().tolist()
        [0, 0, 1, 1, 0, 0]
    """
    both = torch.stack([inside, ~inside])[None].float()
    for axis, by in enumerate(reach):
        kernel, padding = ((2 * by + 1, 1), (by, 0)) if axis == 0 else ((1, 2 * by + 1), (0, by))
        both = F.max_pool2d(both, kernel, stride=1, padding=padding)
    return both[0].amin(0) > 0
