"""`local_contour` in plain PyTorch: a loop over the window, and over the pixels of each line."""

from collections.abc import Iterator

import torch
from torch import Tensor

from crispseg.ops._layout import laid_out
from crispseg.ops.shift import Shift, line_points, shifts
from crispseg.precision import at_least_float32
from crispseg.window import Window


def local_contour(boundary: Tensor, size: int, dilation: int) -> Tensor:
    """See `crispseg.ops.local_contour`."""
    window = Window(size, dilation)
    batch, _, height, width = boundary.shape
    contour = boundary.new_full((batch, window.count, height, width), torch.inf)
    contour[:, window.centre] = 0
    for shift, line in _lines(boundary, window):
        contour[:, shift.k, *shift.out] = _largest(boundary, line)
    return laid_out(contour)


def local_contour_backward(grad: Tensor, boundary: Tensor, size: int, dilation: int) -> Tensor:
    """Return the gradient of the boundary map."""
    window = Window(size, dilation)
    result = torch.zeros_like(boundary, dtype=at_least_float32(boundary))
    for shift, line in _lines(boundary, window):
        largest = _largest(boundary, line)
        left = grad[:, shift.k, *shift.out].to(result.dtype)
        for pixels in line:
            found = boundary[:, 0, *pixels] == largest
            result[:, 0, *pixels] += left.where(found, 0)
            left = left.masked_fill(found, 0)
    return torch.empty_like(boundary).copy_(result)


Pixels = tuple[slice, slice]


def _lines(boundary: Tensor, window: Window) -> Iterator[tuple[Shift, list[Pixels]]]:
    """Yield, for every neighbour except the centre, the pixels of its line from the neighbour to the centre."""
    for shift in shifts(window, *boundary.shape[-2:]):
        if shift.k != window.centre:
            yield shift, [_moved(shift.centre, *point) for point in line_points(*window.offsets[shift.k])]


def _moved(pixels: Pixels, rows: int, columns: int) -> Pixels:
    vertical, horizontal = pixels
    return (
        slice(vertical.start + rows, vertical.stop + rows),
        slice(horizontal.start + columns, horizontal.stop + columns),
    )


def _largest(boundary: Tensor, line: list[Pixels]) -> Tensor:
    largest = boundary[:, 0, *line[0]]
    for pixels in line[1:]:
        largest = torch.maximum(largest, boundary[:, 0, *pixels])
    return largest
