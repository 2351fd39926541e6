"""Sharpeners outside of PyTorch, and the kernels outside of Python."""

from crispseg.export.native import native_include, native_library
from crispseg.export.onnx import export_onnx

__all__ = ["export_onnx", "native_include", "native_library"]
