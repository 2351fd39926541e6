"""The shared library of the CPU kernels, for C and for onnxruntime, and its header."""

import importlib.util
import sys
from pathlib import Path

from crispseg.errors import InputError

_SUFFIX = {"win32": ".dll", "darwin": ".dylib"}.get(sys.platform, ".so")


def native_library() -> Path:
    """Return the path of the shared library `crispseg`.

    It has the functions of `crispseg.h`, and the operators of files that `export_onnx` writes with
    `operators="custom"`: give it to `onnxruntime.SessionOptions.register_custom_ops_library`.

    Raises:
        InputError: If the kernels were not built when crispseg was installed.
    """
    prefix = "" if sys.platform == "win32" else "lib"
    return _built("lib", f"{prefix}crispseg{_SUFFIX}")


def native_include() -> Path:
    """Return the folder of the header `crispseg.h`, for a C compiler.

    Raises:
        InputError: If the kernels were not built when crispseg was installed.
    """
    return _built("include", "crispseg.h").parent


def _built(folder: str, name: str) -> Path:
    """Return the path of a built file, which lies beside the compiled module."""
    module = importlib.util.find_spec("crispseg._C")
    if module is not None and module.origin is not None:
        found = Path(module.origin).parent / folder / name
        if found.is_file():
            return found
    raise InputError(
        f"{name} is missing, because crispseg was installed without its compiled kernels; install it with a C++ "
        "compiler (GCC or Clang), or from a wheel for this machine"
    )
