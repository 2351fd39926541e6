"""The operators of `crispseg.ops` built from standard ONNX operators (opset 18), for PyTorch's exporter.

Each function takes the arguments of the operator of the same name and returns the same result. Neighbours outside the
image are padded with infinity, so that their distance is infinite and their weight 0, as in the references. All
computations are in float32 and rounded once.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch
from onnxscript import opset18 as op

from crispseg.export.blocks import Blocks
from crispseg.export.distances import distances_before
from crispseg.export.values import (
    FLOAT,
    Value,
    counted,
    number,
    part,
    reshaped,
    shifted,
    surrounded,
    whole_array,
    whole_numbers,
)
from crispseg.ops.shift import line_points
from crispseg.window import Window


def affinity_weights(
    embedding: Value,
    hardness: Value,
    scores: Value | None,
    score_weight: Value | None,
    size: int,
    dilation: int,
    norm: int,
    normalize: bool,
    learns: bool,
) -> Value:
    """Translate `crispseg.ops.affinity_weights`."""
    features: Value = op.Cast(embedding, to=FLOAT)
    if scores is not None and score_weight is not None:
        values: Value = op.Cast(scores, to=FLOAT)
        factor: Value = op.Cast(score_weight, to=FLOAT)
        features = op.Concat(features, op.Mul(values, factor), axis=1)
    slope: Value = op.Cast(hardness, to=FLOAT)
    window = Window(size, dilation)
    if window.count == 1:
        weights = op.Add(_zeros(features), number(1.0))
    else:
        half = op.Exp(op.Neg(op.Mul(distances_before(features, window, norm), slope)))
        weights = _whole(half, window, centre=1.0, outside=0.0)
    if normalize:
        weights = op.Div(weights, op.ReduceSum(weights, whole_numbers(1), keepdims=1))
    return op.CastLike(weights, embedding)


def local_distance(embedding: Value, size: int, dilation: int, norm: int, stride: int) -> Value:
    """Translate `crispseg.ops.local_distance`."""
    pixels, window = op.Cast(embedding, to=FLOAT), Window(size, dilation)
    if window.count == 1:
        distance = _zeros(pixels)
    else:
        distance = _whole(distances_before(pixels, window, norm), window, centre=0.0, outside=torch.inf)
    if stride > 1:
        ends = whole_numbers(torch.iinfo(torch.int64).max, torch.iinfo(torch.int64).max)
        distance = op.Slice(distance, whole_numbers(0, 0), ends, whole_numbers(2, 3), whole_numbers(stride, stride))
    return op.CastLike(distance, embedding)


def _whole(half: Value, window: Window, centre: float, outside: float) -> Value:
    """Return (N, K, H, W) values of a window, given the (N, K // 2, H, W) ones before the centre and the one there.

    They belong to pairs of pixels: the second half of the window is the first half, shifted.
    """
    around, after = surrounded(half, window.radius, outside), []
    for index, (rows, columns) in enumerate(window.offsets[: window.centre]):
        plane = part(around, 1, whole_numbers(index), whole_numbers(index + 1))
        after.append(shifted(plane, -rows, -columns, window.radius))
    return op.Concat(half, op.Add(_zeros(half), number(centre)), *reversed(after), axis=1)


def local_contour(boundary: Value, size: int, dilation: int) -> Value:
    """Translate `crispseg.ops.local_contour`."""
    window = Window(size, dilation)
    pixels = op.Cast(boundary, to=FLOAT)
    around = surrounded(pixels, window.radius, torch.inf)

    @cache
    def moved(rows: int, columns: int) -> Value:
        return shifted(around, rows, columns, window.radius)

    def largest(rows: int, columns: int) -> Value:
        if rows == columns == 0:
            return _zeros(pixels)
        return op.Max(*(moved(*point) for point in line_points(rows, columns)))

    contour = op.Concat(*(largest(*offset) for offset in window.offsets), axis=1)
    return op.CastLike(contour, boundary)


def _zeros(image: Value) -> Value:
    """Return (N, 1, H, W) float32 zeros for an (N, D, H, W) image."""
    shape = op.Concat(op.Shape(image, start=0, end=1), whole_numbers(1), op.Shape(image, start=2, end=4), axis=0)
    return op.Expand(number(0.0), shape)


def local_filter(
    scores: Value, weights: Value, size: int, dilation: int, passes: int, normalize: bool, learns: bool
) -> tuple[Value, Value, Value]:
    """Translate `crispseg.ops.local_filter`; only the first of its three results is used outside of training."""
    window = Window(size, dilation)
    inside = _inside(op.Cast(weights, to=FLOAT), window)
    sums = op.ReduceSum(inside, whole_numbers(1), keepdims=1)
    if normalize:
        inside = op.Div(inside, op.Where(op.Equal(sums, number(0.0)), number(1.0), sums))
    blocks = Blocks(scores, window)
    filtered = blocks.filtered(op.Cast(scores, to=FLOAT), blocks.matrices(inside), passes)
    return op.CastLike(filtered, scores), sums, number(0.0)


def _inside(weights: Value, window: Window) -> Value:
    """Return (N, K, H, W) weights, with 0 for neighbours outside the image."""
    steps = window.dilation * (np.arange(window.size) - window.size // 2)[:, None]
    kept = []
    for axis, shape in ((2, (window.size, 1, -1, 1)), (3, (1, window.size, 1, -1))):
        length = op.Shape(weights, start=axis, end=axis + 1)
        place = op.Add(counted(length), whole_array(steps))
        there = op.And(op.GreaterOrEqual(place, whole_numbers(0)), op.Less(place, length))
        kept.append(reshaped(op.Cast(there, to=FLOAT), *shape))
    lengths = op.Shape(weights, start=2, end=4)
    mask = op.Reshape(op.Mul(*kept), op.Concat(whole_numbers(window.count), lengths, axis=0))
    return op.Mul(weights, mask)


def log_softmax(logits: Value, dim: int, dtype: int | None = None) -> Value:
    """Translate PyTorch's; onnxruntime would move the classes of ONNX's to the end and back, several times slower."""
    axis = whole_numbers(dim)
    values: Value = op.Cast(logits, to=FLOAT)
    below: Value = op.Sub(values, op.ReduceMax(values, axis, keepdims=1))
    return op.CastLike(op.Sub(below, op.Log(op.ReduceSum(op.Exp(below), axis, keepdims=1))), logits)


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return the `custom_translation_table` for `torch.onnx.export`."""
    functions = (affinity_weights, local_contour, local_distance, local_filter)
    own = {getattr(torch.ops.crispseg, function.__name__).default: function for function in functions}
    return {**own, torch.ops.aten.log_softmax.int: log_softmax}
