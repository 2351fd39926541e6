"""Time and memory of a call."""

import ctypes
import ctypes.util
import gc
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def timed(call: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, float]:
    """The result of a call and its milliseconds, all work on the device done."""
    _wait(device)
    start = time.perf_counter()
    result = call()
    _wait(device)
    return result, 1000 * (time.perf_counter() - start)


def peak_memory(call: Callable[[], object], device: torch.device) -> float | None:
    """Megabytes that a call takes at its peak above what was there before; None where that cannot be told.

    On CUDA PyTorch counts them. On a CPU the kernel does, by the resident set, since libraries need not allocate
    through PyTorch; memory that was freed before goes back first, and so the count is good to some megabytes.
    """
    call()  # libraries load, threads start
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        call()
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20
    if not _CLEAR.exists():
        return None
    _give_back_freed_memory()
    try:
        _CLEAR.write_text("5")  # the peak starts anew
    except OSError:  # not allowed here
        return None
    before = _kilobytes("VmRSS")
    call()
    return max(_kilobytes("VmHWM") - before, 0) / 2**10


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def _give_back_freed_memory() -> None:
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # of the C library of Linux
    if trim is not None:
        trim(0)


def _kilobytes(name: str) -> int:
    [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1])
