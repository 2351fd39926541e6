"""Differences between versions of PyTorch: functions of newer ones, and those that none of them promises to keep."""

from pkgutil import resolve_name
from typing import Any

import torch

if hasattr(torch.compiler, "is_exporting"):  # from PyTorch 2.7
    is_exporting = torch.compiler.is_exporting
else:

    def is_exporting() -> bool:
        """Return False: crispseg is exported with PyTorch 2.11 or newer."""
        return False


def private(path: str) -> Any:  # noqa: ANN401 - whatever it is
    """Return a private part of PyTorch that gradients need, such as "torch._C:_after_autograd_keyset".

    Raises:
        ImportError: If this version of PyTorch does not have it.
    """
    try:
        return resolve_name(path)
    except (ImportError, AttributeError) as error:
        raise ImportError(
            f"PyTorch {torch.__version__} has no {path.replace(':', '.')}, which crispseg's gradients need; install a "
            "newer crispseg, or PyTorch 2.14, which has it"
        ) from error


def is_transformed() -> bool:
    """Return whether a transform of `torch.func` is running, such as `vmap` or `grad`; a trace is not asked."""
    told = getattr(torch._C, "_are_functorch_transforms_active", None)
    if told is not None:
        return bool(told())
    try:  # what no transform allows
        torch.empty(0).requires_grad_()
    except RuntimeError:
        return True
    return False


def is_mapped() -> bool:
    """Return whether a `torch.vmap` is running, in which no value of a tensor can be read; a trace is not asked.

    Where PyTorch does not tell which transforms are running, any may be one.
    """
    if torch.compiler.is_compiling() or not is_transformed():
        return False
    try:
        stack = torch._C._functorch.get_interpreter_stack() or ()
        return any(level.key() == torch._C._functorch.TransformType.Vmap for level in stack)
    except AttributeError:
        return True


def best_device() -> torch.device:
    """Return the accelerator of this machine, or the CPU if it has none."""
    if hasattr(torch, "accelerator"):  # from PyTorch 2.6
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return found or torch.device("cpu")
    available = {"cuda": torch.cuda, "xpu": torch.xpu, "mps": torch.backends.mps}
    return torch.device(next((name for name, backend in available.items() if backend.is_available()), "cpu"))


def synchronize(device: torch.device) -> None:
    """Wait for all pending work on a device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type != "cpu":
        torch.get_device_module(device).synchronize()
