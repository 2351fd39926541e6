"""Small pieces of ONNX graphs: constants, shapes, and float32 images that are padded and shifted."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnxscript import evaluator
from onnxscript import opset18 as op

Value: TypeAlias = Any
"""A value in the graph that the exporter is building; onnxscript gives it no public type."""

FLOAT = onnx.TensorProto.FLOAT

_END = np.iinfo(np.int64).max


def number(value: float) -> Value:
    """Return a float32 scalar."""
    return op.Constant(value=onnx.numpy_helper.from_array(np.array(value, dtype=np.float32)))


def whole_numbers(*values: int) -> Value:
    """Return an int64 vector, as ONNX takes shapes, axes and ends."""
    return op.Constant(value=onnx.numpy_helper.from_array(np.array(values, dtype=np.int64)))


def whole_array(values: NDArray[np.int64]) -> Value:
    """Return an int64 array."""
    return op.Constant(value=onnx.numpy_helper.from_array(values))


def counted(count: Value) -> Value:
    """Return the int64 numbers from 0 up to a count, which is a vector of one number."""
    end: Value = op.Squeeze(count)
    return op.Range(_scalar(0), end, _scalar(1))


def _scalar(value: int) -> Value:
    return op.Constant(value=onnx.numpy_helper.from_array(np.array(value, dtype=np.int64)))


def reshaped(value: Value, *lengths: "int | Value") -> Value:
    """Reshape to lengths that may be known only when the program runs; 0 keeps a length and -1 infers one."""
    parts = [whole_numbers(length) if isinstance(length, int) else length for length in lengths]
    return op.Reshape(value, op.Concat(*parts, axis=0))


def surrounded(image: Value, radius: int, value: float, below: Value | None = None) -> Value:
    """Pad (N, D, H, W) with `radius` pixels of a value on every side, and with a vector of one number more below."""
    bottom = whole_numbers(radius) if below is None else op.Add(below, whole_numbers(radius))
    pads = op.Concat(whole_numbers(radius, radius), bottom, whole_numbers(radius), axis=0)
    return op.Pad(image, pads, number(value), whole_numbers(2, 3))


def shifted(surrounded_image: Value, rows: int, columns: int, radius: int) -> Value:
    """Return the (N, D, H, W) pixels at an offset of rows and columns, from an image that `surrounded` padded."""
    starts = (radius + rows, radius + columns)
    ends = [start - 2 * radius or _END for start in starts]  # counted from the end, where 0 would mean the start
    return op.Slice(surrounded_image, whole_numbers(*starts), whole_numbers(*ends), whole_numbers(2, 3))


def part(value: Value, axis: int, start: Value, end: Value | None = None) -> Value:
    """Return a part of a value along one axis, from a vector of one number to another, or to the end."""
    return op.Slice(value, start, whole_numbers(_END) if end is None else end, whole_numbers(axis))


def looped(count: Value, body: Callable[[Value], Value]) -> Value:
    """Return what a function gives for 0, 1, … up to a count, stacked along a new first axis.

    Args:
        count: A vector of one number.
        body: A function of such a vector, which is called once; it gives float32.
    """
    exporter: Any = evaluator.default()
    recorded = exporter.nodes  # up to here
    before, index = len(recorded), ir.Value(type=ir.TensorType(ir.DataType.INT64), shape=ir.Shape([]))
    result = body(reshaped(index, 1))
    result.type = ir.TensorType(ir.DataType.FLOAT)
    nodes = recorded[before:]
    del recorded[before:]
    for place, value in enumerate([index, *(output for node in nodes for output in node.outputs)]):
        value.name = f"body_{place}"  # the exporter's own names would be those of values outside
    graph: Any = ir.Graph([index], [result], nodes=nodes, name="body")
    return op.Scan(counted(count), num_scan_inputs=1, body=graph)
