"""Where the masks of objects lie on their image, and the part of it in which each may change."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.pixels import TensorPixels, read_resized
from crispseg.errors import InputError
from crispseg.grid import Grid, Line, Size
from crispseg.inference.array_inputs import as_array
from crispseg.inference.checks import refuse_turned
from crispseg.inference.upsampling import uncovered

_LEAST_WHOLE = 16
"""Rows and columns from which the shape of a mask tells whether it is that of the image."""


class MaskPlace(NamedTuple):
    """How a mask lies on its image."""

    grid: Grid
    lines: tuple[Line, Line]
    cover: Box
    """The pixels that its cells cover; empty if they cover none."""

    @property
    def cell(self) -> tuple[float, float]:
        """Height and width of a cell, in pixels."""
        height, width = (line.pixels / line.steps for line in self.lines)
        return height, width


def placed(maps: Sequence[Tensor], boxes: object, grid: Grid, size: Size) -> list[MaskPlace]:
    """Return where each of N masks (h, w) lies on an image (height, width).

    Args:
        maps: The masks.
        boxes: (N, 4) left, top, right and bottom in pixels if the masks are those of boxes; None for the whole image.
        grid: How masks of the whole image lie on it.
        size: Height and width of the image.

    Raises:
        InputError: If a mask does not fit its box, or the grid, or the objects come last.
    """
    if boxes is None:
        if len({one.shape for one in maps}) == 1:
            refuse_turned("masks", (len(maps), maps[0].shape[-2], maps[0].shape[-1]), size)
        return [_of_image(one, grid, size) for one in maps]
    read = _read(boxes, len(maps), size)
    places = [_of_box(n, one, box, size) for n, (one, box) in enumerate(zip(maps, read, strict=True))]
    _refuse_whole([(one.shape[-2], one.shape[-1]) for one in maps], read, size)
    return places


def _read(boxes: object, count: int, size: Size) -> list[list[float]]:
    given = as_array("boxes", boxes).astype(np.float64)
    given = given.reshape(0, 4) if given.size == 0 else given
    if given.ndim != 2 or given.shape[1] != 4:
        raise InputError(f"boxes have shape {given.shape}; expected (N, 4): left, top, right and bottom in pixels")
    if len(given) != count:
        raise InputError(f"{count} masks but {len(given)} boxes; expected one for each")
    good = np.isfinite(given).all(1) & (given[:, 0] <= given[:, 2]) & (given[:, 1] <= given[:, 3])
    if not good.all():
        n = int(np.argmin(good))
        raise InputError(
            f"box {n} is {given[n].tolist()}; expected finite left <= right and top <= bottom (xyxy, not xywh), in "
            "pixels of the image"
        )
    if (given > 0).any() and given.min() >= 0 and given.max() <= 1 < min(size):
        raise InputError(
            f"boxes run from {given.min():.4g} to {given.max():.4g}, as shares of width and height; expected pixels of "
            f"the image: boxes * [{size[1]}, {size[0]}, {size[1]}, {size[0]}]"
        )
    return given.tolist()  # type: ignore[no-any-return]


def _refuse_whole(shapes: Sequence[Size], boxes: Sequence[Sequence[float]], size: Size) -> None:
    """Refuse masks that all have the shape of the image, which is none of a square, in boxes of other shapes."""
    if len(set(shapes)) != 1 or min(shapes[0]) < _LEAST_WHOLE or shapes[0][0] == shapes[0][1]:
        return
    sides = [(round(bottom - top), round(right - left)) for left, top, right, bottom in boxes]
    explains = Grid().explains
    if explains(size, shapes[0]) and not all(explains(box, shapes[0]) for box in sides):
        raise InputError(
            f"masks are {shapes[0][0]}x{shapes[0][1]}, of the shape of their {size[0]}x{size[1]} image, but the boxes "
            "have other shapes; expected masks of the boxes: leave boxes out for masks of the whole image"
        )


def _of_image(mask: Tensor, grid: Grid, size: Size) -> MaskPlace:
    rows, columns = mask.shape[-2:]
    if (rows, columns) == size:
        grid = Grid()
    grid.check("masks", size, (rows, columns))
    return _place(grid, size, (rows, columns))


def _of_box(n: int, mask: Tensor, box: Sequence[float], size: Size) -> MaskPlace:
    left, top, right, bottom = box
    shape = (mask.shape[-2], mask.shape[-1])
    if min(right - left, bottom - top) < 1 / 512 or min(right, bottom) <= 0 or left >= size[1] or top >= size[0]:
        return MaskPlace(Grid(), Grid("stretched").lines(size, shape), Box(0, 0, 0, 0))  # nothing to be seen
    if shape == size and not (left <= 0 and top <= 0 and right >= size[1] and bottom >= size[0]):
        raise InputError(
            f"mask {n} has the size of its image, {shape[0]}x{shape[1]}, but the box {list(box)}; expected a mask of "
            "the box: leave boxes out for masks of the whole image"
        )
    return _place(Grid("box", (left, top, right, bottom)), size, shape)


def _place(grid: Grid, size: Size, shape: Size) -> MaskPlace:
    left, top, right, bottom = grid.box(size, shape)
    cover = Box(max(math.floor(top), 0), max(math.floor(left), 0), min(math.ceil(bottom), size[0]),
                min(math.ceil(right), size[1]))  # fmt: skip
    return MaskPlace(grid, grid.lines(size, shape), cover)


def upsampled(cells: Tensor, place: MaskPlace, part: Box) -> Tensor:
    """Return the (*part.size) values of a mask (h, w) in a part of the image, bilinearly; 0 beside its cells."""
    values = read_resized(TensorPixels(cells[None]), place.lines, part)[0]
    beside = uncovered(place.lines, place.grid, cells.device, part)
    return values if beside is None else values.masked_fill(beside, 0)
