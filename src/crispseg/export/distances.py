"""Distances between pixels and half of their neighbours, a few rows at a time.

The differences of all pixels to a neighbour are as large as the embedding. As a whole they would go through memory
four times for each neighbour; those of a few rows stay in a processor's cache. So a `Scan` goes over bands of rows.
"""

import math
from functools import cache

from onnxscript import opset18 as op

from crispseg.export.values import Value, looped, number, part, reshaped, surrounded, whole_numbers
from crispseg.window import Window

_NUMBERS_AT_ONCE = 2**17
"""The size of a band: half a megabyte."""


def distances_before(pixels: Value, window: Window, norm: int) -> Value:
    """Return the (N, K // 2, H, W) distances of (N, D, H, W) float32 pixels to their neighbours before the centre.

    Those outside the image are infinitely far.
    """
    channels, height, width = (op.Shape(pixels, start=i, end=i + 1) for i in (1, 2, 3))
    fitting = op.Div(whole_numbers(_NUMBERS_AT_ONCE), op.Mul(channels, width))
    rows = op.Min(op.Max(fitting, whole_numbers(1)), height)
    bands = op.Div(op.Sub(op.Add(height, rows), whole_numbers(1)), rows)
    below = op.Sub(op.Mul(bands, rows), height)
    around = surrounded(pixels, window.radius, math.inf, below)
    ones = op.Expand(number(1.0), op.Concat(whole_numbers(1), channels, axis=0))

    def band(index: Value) -> Value:
        """Return the (N, K // 2, rows * W) distances of a band."""

        @cache
        def moved(row: int, column: int) -> Value:
            left, right = window.radius + column, column - window.radius
            return part(strip(row), 3, whole_numbers(left), whole_numbers(right) if right else None)

        @cache
        def strip(row: int) -> Value:
            top = op.Add(op.Mul(index, rows), whole_numbers(window.radius + row))
            return part(around, 2, top, op.Add(top, rows))

        planes = []
        for offset in window.offsets[: window.centre]:
            difference = op.Sub(moved(*offset), moved(0, 0))
            sizes = op.Abs(difference) if norm == 1 else op.Mul(difference, difference)
            planes.append(op.MatMul(ones, reshaped(sizes, 0, 0, -1)))  # faster than a ReduceSum
        return op.Concat(*planes, axis=1)

    stacked = op.Transpose(looped(bands, band), perm=[1, 2, 0, 3])
    sums = part(reshaped(stacked, 0, 0, -1, width), 2, whole_numbers(0), height)
    return sums if norm == 1 else op.Sqrt(sums)
