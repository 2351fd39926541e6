"""Masks that are as sharp as their resolution allows: each value is the part of a cell that the object fills."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.data.box import Box
from crispseg.grid import Line
from crispseg.ops.interpolation import sources

_SURE = 0.1
"""How far from 0 or 1 the value of a cell may be that the object does not cut."""

_MOST = 0.75
"""The share of cut cells that must lie beside a cell that is exactly full or empty. Of averaged masks, 0.82 and more
do; of those of networks, at most 0.67."""

_EXACT = 1 / 400
"""How far from 0 or 1 the value of a cell is at most that is exactly full or empty; 8-bit values are coarser."""

_HARDLY = 1.5
"""How many cells may be hardly cut, neither full nor empty nor `_SURE` from it, for each cell that is cut. Averaged
masks have at most 0.8; those of networks that change as fast have 2.8 and more, since they are never quite sure."""

_STEPS = 4
"""How often the means are corrected."""

_SLOPE = 4.0
"""How steep the edge of the mask is whose means are compared, in probabilities of the mask that is corrected."""


def holds_means(cells: Tensor, cell: tuple[float, float] = (1.0, 1.0)) -> bool:
    """Return whether the values of a mask (h, w), from 0 to 1, are the parts of its cells that an object fills.

    They are for masks of 28×28 or 256×256 that were made from larger ones by averaging: nearly every cell that is cut
    lies beside a full or an empty cell, and few cells are hardly cut. The mask of a network changes over several cells
    instead, or is nowhere quite sure; a mask that is 0 and 1 has no values between.

    Args:
        cells: The mask.
        cell: Height and width of a cell in pixels. A pixel that is cut makes several cells of less than a pixel so.

    Example:
        >>> cells = torch.zeros(6, 6)
        >>> cells[2:, 2:], cells[2:, 1], cells[1, 2:] = 1, 0.3, 0.7
        >>> holds_means(cells), holds_means(cells.round()), holds_means(torch.linspace(0, 1, 6).expand(6, 6))
        (True, False, False)
        >>> holds_means(cells.clamp(0.02, 0.98))
        False
    """
    missing = torch.minimum(cells, 1 - cells)
    cut, exact = missing > _SURE, missing <= _EXACT
    if not cut.any() or (~cut & ~exact).sum() > _HARDLY * cut.sum():
        return False
    rows, columns = (math.ceil(max(1 / side, 1)) for side in cell)
    around = (2 * rows + 1, 2 * columns + 1)
    beside = F.max_pool2d(exact[None].to(cells), around, stride=1, padding=(rows, columns))[0]
    return float(beside[cut].mean()) >= _MOST


def with_means(values: Tensor, cells: Tensor, lines: tuple[Line, Line], part: Box) -> Tensor:
    """Return (*part.size) probabilities, corrected so that the mask fills its cells as their values say.

    This is back-projection (Irani and Peleg 1991, https://doi.org/10.1016/1049-9652(91)90045-L): what is missing of the
    mean of a cell is added to its pixels, bilinearly, a few times.

    Args:
        values: Probabilities in a part of the image.
        cells: (h, w) values of the mask.
        lines: The mapping of the image's rows and columns to those of the mask.
        part: The part. Cells that lie in it with some of their pixels only are not corrected.
    """
    sums, whole = _sums(lines, part, values)
    ends = ((part.top, part.bottom), (part.left, part.right))
    spread = [_bilinear(line, *each).to(values) for line, each in zip(lines, ends, strict=True)]
    cut = (cells > 0) & (cells < 1) & whole
    for _ in range(_STEPS):
        edge = ((values - 0.5) * _SLOPE + 0.5).clamp(0, 1)
        missing = (cells - sums[0] @ edge @ sums[1].T) * cut
        values = values + spread[0] @ missing @ spread[1].T
    return values


def means_missed(values: Tensor, cells: Tensor, lines: tuple[Line, Line], part: Box) -> Tensor:
    """Return how far the cells of a mask are from given ones, as a sum over the cells in a part of the image.

    Args:
        values: (*part.size) probabilities; the mask is where they are above 0.5.
        cells: (h, w) values that the mask should have in its cells.
        lines: The mapping of the image's rows and columns to those of the cells.
        part: The part. Cells that lie in it with some of their pixels only do not count.
    """
    sums, whole = _sums(lines, part, values)
    return ((sums[0] @ (values > 0.5).to(values) @ sums[1].T - cells).abs() * whole).sum()


def _sums(lines: tuple[Line, Line], part: Box, like: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the weights that average the pixels of a part, and as (h, w) bool which cells lie in it as a whole."""
    ends = ((part.top, part.bottom), (part.left, part.right))
    sums = [_means(line, *each).to(like) for line, each in zip(lines, ends, strict=True)]
    rows, columns = (weights.sum(1) > 1 - 1e-4 for weights in sums)  # not those that end beside the part, or the image
    return sums, rows[:, None] & columns


def cell_means(values: Tensor, lines: tuple[Line, Line]) -> Tensor:
    """Return the (h, w) means of (H, W) values over the cells of a mask; beside the image they are 0.

    Example:
        >>> from crispseg.grid import Grid
        >>> cell_means(torch.eye(4), Grid("stretched").lines((4, 4), (2, 2)))
        tensor([[0.5000, 0.0000],
                [0.0000, 0.5000]])
    """
    rows, columns = (_means(line, 0, line.resized).to(values) for line in lines)
    return rows @ values @ columns.T


def _means(line: Line, start: int, stop: int) -> Tensor:
    """Return (cells, pixels) weights, which average the pixels of each cell along one side of the image."""
    pixel = torch.arange(start, stop, dtype=torch.float64)
    cell = torch.arange(line.length, dtype=torch.float64)[:, None]
    side = line.pixels / line.steps
    first = (line.shift - line.pixels) / (2 * line.steps) + cell * side
    return ((torch.minimum(first + side, pixel + 1) - torch.maximum(first, pixel)).clamp(min=0) / side).float()


def _bilinear(line: Line, start: int, stop: int) -> Tensor:
    """Return (pixels, cells) weights, which upsample cells to pixels along one side of the image."""
    where, weights = sources(start, stop, line), torch.zeros(stop - start, line.length)
    weights.scatter_add_(1, where.before[:, None], 1 - where.share[:, None])
    return weights.scatter_add_(1, where.behind[:, None], where.share[:, None])
