"""Sharpeners outside of PyTorch."""

from crispseg.export.onnx import export_onnx

__all__ = ["export_onnx"]
