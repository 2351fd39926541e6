"""Overlaps of an image with its shifted copies, so that a loop over the window handles all pixels at once."""

from collections.abc import Iterator
from typing import NamedTuple

from crispseg.window import Window


class Shift(NamedTuple):
    """For one neighbour of the window, the pixels where centre and neighbour are both inside the image.

    `k` is the neighbour's index in the window. `out` indexes the (H', W') grid of centres; `centre` and `neighbour`
    index the (H, W) image and have the same shape.
    """

    k: int
    out: tuple[slice, slice]
    centre: tuple[slice, slice]
    neighbour: tuple[slice, slice]

    def rows(self, first: int, stop: int) -> "Shift | None":
        """Return the part whose centres lie in rows `first` to `stop` of their grid, or None if there is none."""
        out = self.out[0]
        start, end = max(out.start, first), min(out.stop, stop)
        if start >= end:
            return None

        def cut(rows: slice) -> slice:
            top = rows.start + (start - out.start) * rows.step
            return slice(top, top + (end - start - 1) * rows.step + 1, rows.step)

        return Shift(
            self.k,
            (slice(start, end), self.out[1]),
            (cut(self.centre[0]), self.centre[1]),
            (cut(self.neighbour[0]), self.neighbour[1]),
        )


def strided_size(size: int, stride: int) -> int:
    """Return the number of centres along an axis of `size` pixels when every `stride`-th is taken, from the first."""
    return -(-size // stride)


def shifts(window: Window, height: int, width: int, stride: int = 1) -> Iterator[Shift]:
    """Yield the overlap of every neighbour that overlaps the image, in window order."""
    for k, (rows, columns) in enumerate(window.offsets):
        row_slices = _overlap(height, rows, stride)
        column_slices = _overlap(width, columns, stride)
        if row_slices and column_slices:
            out, centre, neighbour = zip(row_slices, column_slices, strict=True)
            yield Shift(k, out, centre, neighbour)


def _overlap(size: int, offset: int, stride: int) -> tuple[slice, slice, slice] | None:
    """Return the slices of grid, centres and neighbours along an axis, or None where there are none."""
    first = strided_size(max(0, -offset), stride)
    end = strided_size(min(size, size - offset), stride)
    if first >= end:
        return None
    start, stop = first * stride, (end - 1) * stride + 1
    return slice(first, end), slice(start, stop, stride), slice(start + offset, stop + offset, stride)


def line_points(rows: int, columns: int) -> Iterator[tuple[int, int]]:
    """Yield the offsets of the pixels on the line from the neighbour at this offset to the centre, both included."""
    steps = max(abs(rows), abs(columns))
    for step in range(steps, -1, -1):
        yield (2 * rows * step + steps) // (2 * steps), (2 * columns * step + steps) // (2 * steps)
