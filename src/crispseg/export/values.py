"""Small pieces of ONNX graphs: constants, shapes, and float32 images that are padded and shifted."""

from typing import Any, TypeAlias

import numpy as np
import onnx
from numpy.typing import NDArray
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


def surrounded(image: Value, radius: int, value: float) -> Value:
    """Pad (N, D, H, W) with `radius` pixels of a value on every side."""
    return op.Pad(image, whole_numbers(radius, radius, radius, radius), number(value), whole_numbers(2, 3))


def shifted(surrounded_image: Value, rows: int, columns: int, radius: int) -> Value:
    """Return the (N, D, H, W) pixels at an offset of rows and columns, from an image that `surrounded` padded."""
    starts = (radius + rows, radius + columns)
    ends = [start - 2 * radius or _END for start in starts]  # counted from the end, where 0 would mean the start
    return op.Slice(surrounded_image, whole_numbers(*starts), whole_numbers(*ends), whole_numbers(2, 3))


def lengthened(value: Value, axis: int, before: "int | Value", after: "int | Value") -> Value:
    """Pad a value with zeros before and after along one axis."""
    ends = [whole_numbers(length) if isinstance(length, int) else length for length in (before, after)]
    return op.Pad(value, op.Concat(*ends, axis=0), number(0.0), whole_numbers(axis))
