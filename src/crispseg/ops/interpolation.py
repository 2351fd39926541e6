"""The positions of the pixels of a resized map in the original map."""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.grid import Grid, Line, Size


class Axis(NamedTuple):
    """The mapping from the rows (or columns) of a part of a resized map to those of the original map."""

    start: int
    """The first resized row of the part."""
    first: int
    """The first available row of the original map."""
    length: int
    """The number of rows of the whole original map."""
    steps: int
    """This and the following fields are as in `crispseg.grid.Line`."""
    pixels: int
    shift: int

    @classmethod
    def of(cls, line: Line, start: int = 0, first: int = 0) -> "Axis":
        """Return the axis of a part of a line of pixels."""
        return cls(start, first, line.length, line.steps, line.pixels, line.shift)


class Sources(NamedTuple):
    """The two source rows (or columns) of each resized row (or column)."""

    before: Tensor
    """The index of the source before each."""
    behind: Tensor
    """The index of the source after each."""
    share: Tensor
    """The share of the source after each, float32."""

    @property
    def bounds(self) -> tuple[int, int]:
        """The first source index, and the last plus 1."""
        return int(self.before[0]), int(self.behind[-1]) + 1

    def counted_from(self, first: int) -> "Sources":
        """Return the same sources for a map that starts at row `first`."""
        return Sources(self.before - first, self.behind - first, self.share)


def sources(start: int, stop: int, line: Line | Axis, device: torch.device | None = None) -> Sources:
    """Return the bilinear sources of resized rows from `start` to `stop`; a row outside takes the nearest source.

    Args:
        start: The first resized row.
        stop: The last resized row plus 1.
        line: The mapping of all resized rows to the original map.
        device: The device to compute on.

    Example:
        >>> sources(0, 4, Line.tiling(2, 4)).share.tolist()
        [0.0, 0.25, 0.75, 0.25]
    """
    # In float32 and in this order, as PyTorch computes positions.
    scaled = (torch.arange(start, stop, device=device) + 0.5) * (line.steps / line.pixels)
    position = (scaled - line.shift / (2 * line.pixels)).clamp(min=0, max=line.length)
    before = position.floor().long().clamp(max=line.length - 1)
    return Sources(before, (before + 1).clamp(max=line.length - 1), position - before)


def blend(value: Tensor, axis: int, where: Sources) -> Tensor:
    """Interpolate a map along an axis."""
    share = where.share.to(value)
    if axis == -2:
        share = share[:, None]
    before, behind = (value.index_select(axis, index.to(value.device)) for index in (where.before, where.behind))
    return before * (1 - share) + behind * share


def resample(value: Tensor, size: Size, grid: Grid) -> Tensor:
    """Resize (N, C, h, w) scores that lie on an image by a grid to the image's size, (N, C, *size), bilinearly."""
    if grid.tiles:
        return F.interpolate(value, size=size, mode="bilinear", align_corners=False)
    return _along(value, grid.lines(size, _size(value)))


def at_scores(value: Tensor, scores: Size, grid: Grid) -> Tensor:
    """Return the values of an (N, C, H, W) map at the positions of scores (rows, columns), bilinearly."""
    if grid.tiles:
        return F.interpolate(value, size=scores, mode="bilinear", align_corners=False)
    rows, columns = grid.lines(_size(value), scores)
    return _along(value, (rows.back(), columns.back()))


def _along(value: Tensor, lines: tuple[Line, Line]) -> Tensor:
    rows, columns = (sources(0, line.resized, line, value.device) for line in lines)
    return blend(blend(value, -2, rows), -1, columns)


def inside(start: int, stop: int, line: Line, device: torch.device | None = None) -> Tensor:
    """Return as (stop - start,) bool whether the centres of rows lie on the cells of the original map.

    Example:
        >>> inside(0, 4, Grid.of("box=1,0,3,4").lines((4, 4), (5, 5))[1]).tolist()
        [False, True, True, False]
    """
    doubled = (2 * torch.arange(start, stop, device=device) + 1) * line.steps - line.shift
    return (doubled >= -line.pixels) & (doubled < (2 * line.length - 1) * line.pixels)


def _size(value: Tensor) -> Size:
    return value.shape[-2], value.shape[-1]
