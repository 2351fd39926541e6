"""Where a mask may change: near its own boundary, as far as its resolution leaves it open; and the filter there."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.pixels import padded
from crispseg.inference.label_groups import Labelled, grouped
from crispseg.ops import local_filter
from crispseg.window import Level

UNSURE = 0.4
"""How far from 0.5 the probability of a pixel may be that may change."""

OUTLINE_CELLS, OUTLINE_PIXELS = 0.5, 1
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


class Band(NamedTuple):
    """The part of the image in which a mask may change, and which of its pixels may."""

    values: Tensor
    """(*part.size) probabilities."""
    free: Tensor
    """(*part.size) bool: the pixels that may change."""
    part: Box
    """It holds the neighbours of all free pixels, as far as they lie in the image."""

    def near(self, radius: int) -> Box:
        """Return the box of the image with the pixels within a radius of the free ones, as far as the part holds it."""
        return Box.around(self.free).grown(radius, self.part.size).out_of(self.part)


def filter_bands(
    bands: Sequence[Band], levels: Sequence[Level], weights: Callable[[Level], Tensor], region: Box
) -> list[Tensor]:
    """Return the filtered (*part.size) probabilities of masks, as if the whole image were filtered.

    A free pixel depends on pixels within the radius of a window alone, since all others keep their values from pass to
    pass. So no margin grows with the passes.

    Args:
        bands: The masks.
        levels: The windows and their passes.
        weights: A function that returns the (1, K, *region.size) weights of a level; all masks share them.
        region: A box of the image that holds all parts.
    """
    results = [band.values.clone() for band in bands]
    for level in levels if bands else ():
        window, passes, whole = level.window, level.passes, weights(level)
        near = [band.near(window.radius) for band in bands]
        for chosen, box in _grouped(near):
            here = whole[(..., *box.within(region).slices)].contiguous()
            cut = {n: near[n].within(bands[n].part).slices for n in chosen}
            # What is beside the part of a mask has no effect on its free pixels.
            values = torch.stack([padded(results[n][cut[n]], near[n], box) for n in chosen])[None]
            free = torch.stack([padded(bands[n].free[cut[n]], near[n], box) for n in chosen])[None]
            for _ in range(passes):
                values = torch.where(free, local_filter(values, here, window), values)
            for n, value in zip(chosen, values[0], strict=True):
                results[n][cut[n]] = value[near[n].within(box).slices]
    return results


def _grouped(parts: Sequence[Box]) -> Iterator[tuple[list[int], Box]]:
    """Yield the indices of boxes that are cheaper to filter together, and the box that holds them."""
    for group in grouped([Labelled(n, part) for n, part in enumerate(parts)], margin=0):
        yield [item.label for item in group], Box.enclosing([item.box for item in group])
