"""Functions of newer PyTorch, for every version that crispseg supports."""

import torch

if hasattr(torch.compiler, "is_exporting"):  # from PyTorch 2.7
    is_exporting = torch.compiler.is_exporting
else:

    def is_exporting() -> bool:
        """Return False: crispseg is exported with PyTorch 2.11 or newer."""
        return False


def is_mapped() -> bool:
    """Return whether a `torch.vmap` is running, in which no value of a tensor can be read; a trace is not asked."""
    if torch.compiler.is_compiling():
        return False
    stack = torch._C._functorch.get_interpreter_stack() or ()
    return any(level.key() == torch._C._functorch.TransformType.Vmap for level in stack)


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
