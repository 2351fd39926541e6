"""A pass of the filter as a product of matrices.

ONNX has no operator that weights neighbours by pixel. A sum over shifted images would move every score through memory
K times in each pass. Instead, the image is cut into blocks of T×T pixels. The scores of a block depend on those of the
U×U pixels in and around it (U = T + size - 1) by a matrix of T² rows and U² columns that holds the weights. The matrix
is built once, and a pass is one product with it.

Pixels have numbers, row by row in the image or block by block, and one `Gather` takes those around every block. With a
dilation of d, the pixels of a block lie d apart, which changes only their numbers.
"""

import numpy as np
from numpy.typing import NDArray
from onnxscript import opset18 as op

from crispseg.export.values import Value, counted, lengthened, reshaped, whole_array, whole_numbers
from crispseg.window import Window

_SHORTEST = 4
"""Small blocks have small matrices, but more of the pixels around them are taken twice."""


class _Axis:
    """The blocks along one axis of an image.

    Args:
        length: The number of pixels, as a vector of one number.
        side: The pixels of a block.
        step: The distance between two pixels of a block.
    """

    def __init__(self, length: Value, side: int, step: int) -> None:
        self.length, self.side, self.step = length, side, step
        span = side * step
        self.runs = op.Div(op.Add(length, whole_numbers(span - 1)), whole_numbers(span))
        self.blocks = op.Mul(self.runs, whole_numbers(step))
        """The number of blocks; the last ones may extend beyond the image."""

    def pixels(self, first: int, stop: int) -> Value:
        """Return (blocks, stop - first) pixels, from the given ones of each block; outside, the nearest inside."""
        block = reshaped(counted(self.blocks), -1, 1)
        run, phase = op.Mod(block, self.runs), op.Div(block, self.runs)
        start = op.Add(op.Mul(run, whole_numbers(self.side * self.step)), phase)
        found = op.Add(start, whole_array(self.step * np.arange(first, stop)))
        return op.Max(op.Min(found, op.Sub(self.length, whole_numbers(1))), whole_numbers(0))

    def places(self, pixels: Value, one_block: Value, one_pixel: int) -> Value:
        """Return the parts of pixels' numbers, given what is added from one block and from one pixel to the next."""
        along, phase = op.Div(pixels, whole_numbers(self.step)), op.Mod(pixels, whole_numbers(self.step))
        block = op.Add(op.Mul(phase, self.runs), op.Div(along, whole_numbers(self.side)))
        inside = op.Mod(along, whole_numbers(self.side))
        return op.Add(op.Mul(block, one_block), op.Mul(inside, whole_numbers(one_pixel)))


class Blocks:
    """The blocks of an image.

    Args:
        image: An (N, C, H, W) image, of which batch size, height and width are used.
        window: The neighbours.
    """

    def __init__(self, image: Value, window: Window) -> None:
        self.window, self.side = window, max(window.size - 1, _SHORTEST)
        self.batch, self.height, self.width = (op.Shape(image, start=i, end=i + 1) for i in (0, 2, 3))
        self.rows, self.columns = (_Axis(length, self.side, window.dilation) for length in (self.height, self.width))

    def matrices(self, weights: Value) -> Value:
        """Convert (N, K, H, W) weights, 0 for neighbours outside the image, to matrices (N, blocks, T², U²)."""
        # A last neighbour of weight 0 stands for all pixels around a block that are not neighbours of a pixel.
        planes = lengthened(reshaped(weights, 0, 0, -1), 1, 0, 1)
        of_pixel = op.Transpose(planes, perm=[0, 2, 1])
        own = self._in_image(self.rows.pixels(0, self.side), self.columns.pixels(0, self.side))
        of_block = reshaped(op.Gather(of_pixel, own, axis=1), 0, -1, self.side**2 * (self.window.count + 1))
        return reshaped(op.Gather(of_block, whole_array(self._pairs()), axis=2), 0, 0, self.side**2, -1)

    def _pairs(self) -> NDArray[np.int64]:
        """Return the (T²·U²) indices of weights among those of a block: of its pixels to each pixel around it."""
        size, count = self.window.size, self.window.count
        apart = np.arange(self.side + size - 1) - np.arange(self.side)[:, None]
        rows, columns = apart[:, None, :, None], apart[None, :, None, :]
        are_neighbours = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
        index = np.where(are_neighbours, size * rows + columns, count).reshape(self.side**2, -1)
        return (index + (count + 1) * np.arange(self.side**2)[:, None]).ravel()

    def filtered(self, image: Value, matrices: Value, passes: int) -> Value:
        """Apply passes to an (N, C, H, W) image."""
        channels, reach = op.Shape(image, start=1, end=2), self.window.size // 2
        around = tuple(axis.pixels(-reach, self.side + reach) for axis in (self.rows, self.columns))
        state, numbers = op.Transpose(reshaped(image, 0, 0, -1), perm=[0, 2, 1]), self._in_image(*around)
        for done in range(passes):
            if done == 1:
                numbers = self._in_blocks(*around)
            product = op.MatMul(matrices, op.Gather(state, numbers, axis=1))
            state = reshaped(product, self.batch, -1, channels)
        every = reshaped(counted(self.height), 1, -1), reshaped(counted(self.width), 1, -1)
        whole = op.Gather(state, reshaped(self._in_blocks(*every), -1), axis=1)
        return reshaped(op.Transpose(whole, perm=[0, 2, 1]), 0, 0, self.height, self.width)

    def _in_image(self, rows: Value, columns: Value) -> Value:
        """Return (blocks, pixels) numbers of pixels in the image, given (blocks, pixels) of rows and of columns."""
        return self._every(op.Mul(rows, self.width), columns)

    def _in_blocks(self, rows: Value, columns: Value) -> Value:
        """Return numbers as `_in_image` does, but those of the pixels in the order of the blocks."""
        area = self.side**2
        line = op.Mul(self.columns.blocks, whole_numbers(area))
        return self._every(
            self.rows.places(rows, line, self.side), self.columns.places(columns, whole_numbers(area), 1)
        )

    @staticmethod
    def _every(rows: Value, columns: Value) -> Value:
        """Return the sum of each row's part of a number and each column's part."""
        down, across = op.Unsqueeze(rows, whole_numbers(1, 3)), op.Unsqueeze(columns, whole_numbers(0, 2))
        total = op.Add(down, across)  # blocks down, blocks across, pixels down, pixels across
        shape = (op.Mul(op.Shape(rows, start=i, end=i + 1), op.Shape(columns, start=i, end=i + 1)) for i in (0, 1))
        return reshaped(total, *shape)
