"""Scores of the padding around an image, which never count."""

import torch
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.pixels import Pixels
from crispseg.grid import Grid, Line, Size
from crispseg.inference.nodata import valid_there


def without_padding(scores: Tensor, grid: Grid, size: Size) -> Tensor:
    """Return (…, h, w) scores or labels, with the nearest ones on the image in place of those beside it.

    Nothing is copied if the grid has no padding. The shape stays the same, so the grid still holds, and an exported
    program needs no size of its own.

    Args:
        scores: The scores.
        grid: How they lie on the image.
        size: Height and width of the image.

    Example:
        >>> without_padding(torch.tensor([[7, 1, 2, 7]]), Grid("letterbox"), (2, 4))
        tensor([[1, 1, 2, 2]])
    """
    if not grid.may_be_padded:
        return scores
    lines = grid.lines(size, (scores.shape[-2], scores.shape[-1]))
    for axis, line in zip((-2, -1), lines, strict=True):
        scores = scores.index_select(axis, _nearest_on_image(line, 0, line.length, scores.device))
    return scores


class UnpaddedPixels:
    """Scores that are read in parts, as `without_padding` returns them.

    Args:
        scores: The scores.
        grid: How they lie on the image.
        size: Height and width of the image.
    """

    def __init__(self, scores: Pixels, grid: Grid, size: Size) -> None:
        self._scores = scores
        self._lines = grid.lines(size, scores.size) if grid.may_be_padded else None

    @property
    def size(self) -> Size:
        """Rows and columns."""
        return self._scores.size

    @property
    def channels(self) -> int:
        """Values of a score."""
        return self._scores.channels

    @property
    def masked(self) -> bool:
        """Whether a score may be missing."""
        return bool(getattr(self._scores, "masked", False))

    def read(self, box: Box) -> Tensor:
        """Return the (channels, *box.size) values of a part."""
        if self._lines is None:
            return self._scores.read(box)
        there, rows, columns = self._sources(box, self._lines)
        return self._scores.read(there)[:, rows.unsqueeze(1), columns]

    def valid(self, box: Box) -> Tensor:
        """Return (*box.size) bool, True where a score has a value."""
        if self._lines is None:
            valid = valid_there(self._scores, box)
            return torch.ones(box.size, dtype=torch.bool) if valid is None else valid
        there, rows, columns = self._sources(box, self._lines)
        valid = valid_there(self._scores, there)
        return torch.ones(box.size, dtype=torch.bool) if valid is None else valid[rows.unsqueeze(1), columns]

    def _sources(self, box: Box, lines: tuple[Line, Line]) -> tuple[Box, Tensor, Tensor]:
        """Return the part that is read in place of a box, and which of its rows and columns stand for those of it."""
        rows = _nearest_on_image(lines[0], box.top, box.bottom)
        columns = _nearest_on_image(lines[1], box.left, box.right)
        there = Box.spanning(rows, columns)
        return there, rows - there.top, columns - there.left


def _nearest_on_image(line: Line, start: int, stop: int, device: torch.device | None = None) -> Tensor:
    """Return for each score from `start` to `stop` the index of the nearest one that counts."""
    first, last = _on_image(line)
    index = torch.arange(start, stop, device=device)
    return index.clamp(min=first).clamp(max=last).clamp(max=line.length - 1)


def _on_image(line: Line) -> tuple[int, int]:
    """Return the first and the last score whose centre lies on the image, or twice the nearest to its middle.

    The last may lie after all scores, where these cover a part of the image. Nothing below 0 is divided, since ONNX
    rounds such quotients up.
    """
    twice, full = 2 * line.pixels, line.resized * line.steps
    first = (torch.sym_max(-line.shift, 0) + twice - 1) // twice
    middle = torch.sym_max(full - line.shift + line.pixels, 0) // twice
    last = torch.sym_max(2 * full - line.shift, 0) // twice
    return torch.sym_min(first, middle), torch.sym_max(last, middle)  # type: ignore[return-value]  # as in `Grid`
