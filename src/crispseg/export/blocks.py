"""A pass of the filter as a product of matrices.

ONNX has no operator that weights neighbours by pixel. A sum over shifted images would move every score through memory
K times in each pass. Instead, the image is cut into blocks of T×T pixels. The scores of a block depend on those of the
U×U pixels in and around it (U = T + size - 1) by a matrix of T² rows and U² columns that holds the weights. The matrix
is built once, and a pass is one product with it.

Between passes pixels lie block by block, and one `Gather` takes those around every block, several in a row at once.
With a dilation of d, the pixels of a block lie d apart, which changes only which they are.
"""

import numpy as np
from onnxscript import opset18 as op

from crispseg.export.values import FLOAT, Value, counted, reshaped, whole_array, whole_numbers
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

    def pixels(self) -> Value:
        """Return (blocks, side) pixels of each block; outside, the last inside."""
        phase, run = self._blocks()
        start = op.Add(op.Mul(run, whole_numbers(self.side * self.step)), phase)
        found = op.Add(start, whole_array(self.step * np.arange(self.side)))
        return op.Min(found, op.Sub(self.length, whole_numbers(1)))

    def around(self, reach: int, together: int) -> tuple[Value, Value]:
        """Return the blocks, and the places in them, of the pixels in and around each block, some of them together.

        Both are (blocks, (side + 2 * reach) / together). Outside, it is the nearest inside.
        """
        (phase, run), count = self._blocks(), self.side // together
        first = op.Mul(run, whole_numbers(count))
        found = op.Add(first, whole_array(np.arange(-reach // together, (self.side + reach) // together)))
        last = op.Sub(op.Mul(self.runs, whole_numbers(count)), whole_numbers(1))
        inside = op.Max(op.Min(found, last), whole_numbers(0))
        block = op.Add(op.Mul(phase, self.runs), op.Div(inside, whole_numbers(count)))
        return block, op.Mod(inside, whole_numbers(count))

    def every(self) -> tuple[Value, Value]:
        """Return the block of each pixel, and its place in it, both (1, length)."""
        pixel, step, side = reshaped(counted(self.length), 1, -1), whole_numbers(self.step), whole_numbers(self.side)
        along, phase = op.Div(pixel, step), op.Mod(pixel, step)
        return op.Add(op.Mul(phase, self.runs), op.Div(along, side)), op.Mod(along, side)

    def _blocks(self) -> tuple[Value, Value]:
        """Return the phase and the run of each block, both (blocks, 1)."""
        block = reshaped(counted(self.blocks), -1, 1)
        return op.Div(block, self.runs), op.Mod(block, self.runs)


class Blocks:
    """The blocks of an image.

    Args:
        image: An (N, C, H, W) image, of which height and width are used.
        window: The neighbours.
    """

    def __init__(self, image: Value, window: Window) -> None:
        self.window, self.reach, self.side = window, window.size // 2, max(window.size - 1, _SHORTEST)
        self.together = self.reach or self.side
        """Pixels in a row that are taken at once: a part of a block, since all blocks begin so many pixels apart."""
        self.height, self.width = (op.Shape(image, start=i, end=i + 1) for i in (2, 3))
        self.rows, self.columns = (_Axis(length, self.side, window.dilation) for length in (self.height, self.width))
        self.own = _pairs(op.Mul(self.rows.pixels(), self.width), self.columns.pixels())
        """(blocks, T²) numbers of the pixels in the image."""

    def matrices(self, weights: Value) -> Value:
        """Convert (N, K, H, W) weights, 0 for neighbours outside the image, to matrices (N, blocks, T², U²)."""
        of_pixel = op.Transpose(reshaped(weights, 0, 0, -1), perm=[0, 2, 1])
        rows = op.Gather(of_pixel, op.Transpose(self.own, perm=[1, 0]), axis=1)  # N, T², blocks, K
        return op.Transpose(op.MatMul(rows, self._spread()), perm=[0, 2, 1, 3])

    def _spread(self) -> Value:
        """Return (T², K, U²) matrices of 0 and 1 that move the weights of a pixel of a block to its neighbours."""
        size, count = self.window.size, self.window.count
        apart = np.arange(self.side + size - 1) - np.arange(self.side)[:, None]
        rows, columns = apart[:, None, :, None], apart[None, :, None, :]
        are_neighbours = (rows >= 0) & (rows < size) & (columns >= 0) & (columns < size)
        index = np.where(are_neighbours, size * rows + columns, count).reshape(self.side**2, 1, -1)
        # Numbers take a K-th of the room in the file that the matrices would take.
        return op.Cast(op.Equal(whole_array(index), whole_array(np.arange(count)[:, None])), to=FLOAT)

    def filtered(self, image: Value, matrices: Value, passes: int) -> Value:
        """Apply passes to an (N, C, H, W) image."""
        channels, together = op.Shape(image, start=1, end=2), whole_numbers(self.together)
        pixels = op.Transpose(reshaped(image, 0, 0, -1), perm=[0, 2, 1])
        state, around = op.Gather(pixels, self.own, axis=1), self._around()
        for _ in range(passes):
            parts = op.Gather(reshaped(state, 0, -1, op.Mul(channels, together)), around, axis=1)
            taken = reshaped(parts, 0, 0, (self.side + 2 * self.reach) ** 2, channels)
            state = op.MatMul(matrices, taken)
        whole = op.Gather(reshaped(state, 0, -1, channels), self._every(), axis=1)
        return reshaped(op.Transpose(whole, perm=[0, 2, 1]), 0, 0, self.height, self.width)

    def _around(self) -> Value:
        """Return (blocks, U² / together) numbers of the pixels around each block, in the order of the blocks."""
        rows, columns = self.rows.around(self.reach, 1), self.columns.around(self.reach, self.together)
        return self._in_blocks(rows, columns, self.side // self.together)

    def _every(self) -> Value:
        """Return the numbers of all pixels in the order of the blocks."""
        return reshaped(self._in_blocks(self.rows.every(), self.columns.every(), self.side), -1)

    def _in_blocks(self, rows: tuple[Value, Value], columns: tuple[Value, Value], across: int) -> Value:
        """Return the numbers of parts of blocks, of which so many lie beside each other in a block."""
        area = whole_numbers(self.side * across)
        down = op.Add(op.Mul(op.Mul(rows[0], self.columns.blocks), area), op.Mul(rows[1], whole_numbers(across)))
        return _pairs(down, op.Add(op.Mul(columns[0], area), columns[1]))


def _pairs(rows: Value, columns: Value) -> Value:
    """Return (blocks, parts) sums of each row's number, (blocks down, down), and each column's, (across, across)."""
    total = op.Add(op.Unsqueeze(rows, whole_numbers(1, 3)), op.Unsqueeze(columns, whole_numbers(0, 2)))
    return reshaped(total, *(op.Mul(*(op.Shape(one, start=i, end=i + 1) for one in (rows, columns))) for i in (0, 1)))
