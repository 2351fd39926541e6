"""Choose the implementation of an operation on a device, and explain the choice.

Every operation has a folder with one file for each implementation, and each file has the same functions.
"""

import functools
import importlib
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from crispseg.errors import SlowerWarning, one_line

_BUILD = (
    "install GCC or Clang and build crispseg on this machine: "
    "pip install --force-reinstall --no-deps --no-cache-dir --no-binary crispseg crispseg"
)


class Implementation(NamedTuple):
    """A file in the folder of every operation, and its description."""

    module: str
    description: str
    warning: str = ""
    """The message at the first use: the reason why this is slow, and the remedy."""


@functools.cache
def serving(device_type: str) -> Implementation:
    """Return the implementation for tensors on a device."""
    if device_type == "cpu":
        return _on_cpu()
    if device_type == "cuda":
        return _on_cuda()
    return Implementation("reference", "reference in plain PyTorch: there are no kernels for this device")


def _on_cpu() -> Implementation:
    try:
        kernels = importlib.import_module("crispseg.ops._kernels")
    except ImportError as error:
        return _reference("the CPU", *why_no_kernels(error))
    return Implementation("cpu", f"C++ kernels, {kernels.LEVEL} vectors")


def _on_cuda() -> Implementation:
    try:
        importlib.import_module("triton")
    except Exception as error:
        return _reference("the GPU", *why_no_triton(error))
    return Implementation("triton", "Triton kernels")


def _reference(device: str, reason: str, remedy: str) -> Implementation:
    warning = f"crispseg runs in plain PyTorch on {device}, many times slower: {reason}; {remedy}"
    return Implementation("reference", f"reference in plain PyTorch: {reason}", warning)


@functools.cache
def find(function: str, device_type: str) -> Callable[..., Any]:
    """Return the function that runs an operator, forward or backward, on a device.

    The first call warns with `SlowerWarning` if kernels should serve the device but cannot.
    """
    served = serving(device_type)
    _warn_once(served.warning)
    operation = function.removesuffix("_backward")
    module = importlib.import_module(f"crispseg.ops._{operation}.{served.module}")
    found: Callable[..., Any] = getattr(module, function)
    return found


@functools.cache
def _warn_once(message: str) -> None:
    if message:
        warnings.warn(message, SlowerWarning, stacklevel=2)


def describe(operation: str, device_type: str) -> str:
    """Describe the implementation that runs an operation on a device."""
    if operation == "affinity":
        return "plain PyTorch, one expression"
    served = serving(device_type)
    return "plain PyTorch" if operation == "rebalance" and served.module == "triton" else served.description


def why_no_kernels(error: ImportError) -> tuple[str, str]:
    """Return why the C++ kernels cannot be imported, and the remedy."""
    if not isinstance(error, ModuleNotFoundError):
        return f"the C++ kernels cannot be loaded on this machine ({one_line(error)})", _BUILD
    files = (path for folder in sys.modules["crispseg"].__path__ for path in Path(folder).glob("_C.*"))
    others = [path.name for path in files if path.suffix != ".pyi"]
    if others:
        return f"the C++ kernels were built for another Python or processor ({', '.join(others)})", _BUILD
    return f"the C++ kernels were not built ({one_line(error)})", _BUILD


def why_no_triton(error: Exception) -> tuple[str, str]:
    """Return why Triton cannot be imported, and the remedy."""
    if isinstance(error, ModuleNotFoundError) and error.name == "triton":
        return "Triton is not installed", "install it: pip install triton, on Windows pip install triton-windows"
    return (
        f"Triton cannot be imported ({type(error).__name__}: {one_line(error)})",
        "install PyTorch anew, with the Triton that belongs to it: pip install --force-reinstall torch",
    )
