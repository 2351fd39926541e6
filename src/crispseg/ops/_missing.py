"""Explain why kernels cannot serve, and how to get them."""

import sys
from pathlib import Path

from crispseg.errors import one_line

_BUILD = (
    "install GCC or Clang and build crispseg on this machine: "
    "pip install --force-reinstall --no-deps --no-cache-dir --no-binary crispseg crispseg"
)


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
