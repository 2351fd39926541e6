"""A pass of the filter as a product of matrices.

ONNX has no operator that weights neighbours by pixel. A sum over shifted images would move every score through memory
K times in each pass. Instead, the image is cut into blocks of T×T pixels. The scores of a block depend on those of the
U×U pixels in and around it (U = T + size - 1) by a matrix of T² rows and U² columns that holds the weights. The matrix
is built once, and a pass is one product with it. With a dilation of d, every d-th pixel along both axes forms an image
of its own.
"""

from onnxscript import opset18 as op

from crispseg.export.values import Value, lengthened, part, reshaped, whole_numbers
from crispseg.window import Window

_SHORTEST = 8


class Blocks:
    """The blocks of an image, and the conversion of scores and weights to blocks and back.

    Args:
        image: An (N, C, H, W) image, of which batch size, height and width are used.
        window: The neighbours.
    """

    def __init__(self, image: Value, window: Window) -> None:
        self.window = window
        # Long enough for the neighbours to lie in the block and the adjacent ones; a longer side adds more zeros.
        self.side = max(window.size - 1, _SHORTEST)
        self.wide = self.side + window.size - 1
        self.batch, self.height, self.width = (op.Shape(image, start=i, end=i + 1) for i in (0, 2, 3))
        self.rows, self.columns = self._blocks(self.height), self._blocks(self.width)

    def _blocks(self, length: Value) -> Value:
        """Return the number of blocks along an axis; the last may extend beyond the image."""
        step = whole_numbers(self.side * self.window.dilation)
        return op.Div(op.Sub(op.Add(length, step), whole_numbers(1)), step)

    def _whole(self, image: Value) -> Value:
        """Pad (N, C, H, W) with zeros at the end, up to whole blocks."""
        step = whole_numbers(self.side * self.window.dilation)
        for axis, count, length in ((2, self.rows, self.height), (3, self.columns, self.width)):
            image = lengthened(image, axis, 0, op.Sub(op.Mul(count, step), length))
        return image

    def cut(self, image: Value) -> Value:
        """Cut (N, C, H, W) into blocks (N·d², rows, columns, T, T, C), padded with 0 beyond the image."""
        side, dilation = self.side, self.window.dilation
        split = reshaped(self._whole(image), 0, -1, self.rows, side, dilation, self.columns, side, dilation)
        blocks = op.Transpose(split, perm=[0, 4, 7, 2, 5, 3, 6, 1])
        return reshaped(blocks, -1, self.rows, self.columns, side, side, op.Shape(image, start=1, end=2))

    def join(self, blocks: Value) -> Value:
        """Return the (N, C, H, W) image of blocks; the inverse of `cut`."""
        side, dilation, channels = self.side, self.window.dilation, op.Shape(blocks, start=5, end=6)
        split = reshaped(blocks, self.batch, dilation, dilation, self.rows, self.columns, side, side, channels)
        whole = op.Transpose(split, perm=[0, 7, 3, 5, 1, 4, 6, 2])
        step = whole_numbers(side * dilation)
        image = reshaped(whole, self.batch, channels, op.Mul(self.rows, step), op.Mul(self.columns, step))
        ends = op.Concat(self.height, self.width, axis=0)
        return op.Slice(image, whole_numbers(0, 0), ends, whole_numbers(2, 3))

    def matrices(self, weights: Value) -> Value:
        """Convert (N, K, H, W) weights to matrices (N·d², rows, columns, T², U²)."""
        size, side, wide, dilation = self.window.size, self.side, self.wide, self.window.dilation
        split = reshaped(
            self._whole(weights), self.batch, size, size, self.rows, side, dilation, self.columns, side, dilation
        )
        by_pixel = op.Transpose(lengthened(split, 2, 0, wide - size), perm=[0, 5, 8, 3, 6, 4, 7, 1, 2])
        # In the matrix, the weights of pixel (y, x) start at column y·U + x. If every pixel has a row of U² + 1
        # numbers, and every line of pixels size - 1 more, cutting the whole into rows of U² moves the weights there.
        columns = wide * wide
        rows = reshaped(by_pixel, -1, size * wide)
        lines = reshaped(lengthened(rows, 1, 0, columns + 1 - size * wide), -1, side * (columns + 1))
        flat = reshaped(lengthened(lines, 1, 0, size - 1), -1, side * (side * (columns + 1) + size - 1))
        kept = part(flat, 1, 0, side * side * columns)
        return reshaped(kept, -1, self.rows, self.columns, side * side, columns)

    def multiply(self, matrices: Value, blocks: Value) -> Value:
        """Apply one pass to blocks (N·d², rows, columns, T, T, C)."""
        around = self._with_neighbours(self._with_neighbours(blocks, 2, 4), 1, 3)
        flat = reshaped(around, 0, 0, 0, self.wide * self.wide, -1)
        return reshaped(op.MatMul(matrices, flat), 0, 0, 0, self.side, self.side, -1)

    def _with_neighbours(self, blocks: Value, blocks_axis: int, pixels_axis: int) -> Value:
        """Extend blocks by the pixels before and after them along one axis, 0 beyond the first and the last."""
        reach = self.window.size // 2
        if reach == 0:
            return blocks
        before = part(part(blocks, blocks_axis, 0, -1), pixels_axis, self.side - reach)
        after = part(part(blocks, blocks_axis, 1), pixels_axis, 0, reach)
        ends = (lengthened(before, blocks_axis, 1, 0), blocks, lengthened(after, blocks_axis, 0, 1))
        return op.Concat(*ends, axis=pixels_axis)
