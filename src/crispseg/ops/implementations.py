"""Choose the implementation of an operation on a device, and explain the choice.

Every operation has a folder with one file for each implementation, and each file has the same functions.
"""

import functools
import importlib
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple


class Implementation(NamedTuple):
    """A file in the folder of every operation, and its description."""

    module: str
    description: str


@functools.cache
def serving(device_type: str) -> Implementation:
    """Return the implementation for tensors on a device."""
    if device_type == "cpu":
        return _on_cpu()
    if device_type == "cuda" and importlib.util.find_spec("triton") is not None:
        return Implementation("triton", "Triton kernels")
    missing = "Triton is not installed" if device_type == "cuda" else "there are no kernels for this device"
    return Implementation("reference", f"reference in plain PyTorch: {missing}")


def _on_cpu() -> Implementation:
    try:
        kernels = importlib.import_module("crispseg.ops._kernels")
    except ImportError as error:
        return Implementation("reference", f"reference in plain PyTorch: the C++ kernels were not built ({error})")
    return Implementation("cpu", f"C++ kernels, {kernels.LEVEL} vectors")


@functools.cache
def find(function: str, device_type: str) -> Callable[..., Any]:
    """Return the function that runs an operator, forward or backward, on a device."""
    operation = function.removesuffix("_backward")
    module = importlib.import_module(f"crispseg.ops._{operation}.{serving(device_type).module}")
    found: Callable[..., Any] = getattr(module, function)
    return found


def describe(operation: str, device_type: str) -> str:
    """Describe the implementation that runs an operation on a device."""
    if operation == "affinity":
        return "plain PyTorch, one expression"
    served = serving(device_type)
    return "plain PyTorch" if operation == "rebalance" and served.module == "triton" else served.description
