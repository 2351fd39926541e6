"""Peak memory of a method, above what was there before.

On CUDA PyTorch counts it. On a CPU the resident set of a process of its own does, since libraries need not allocate
through PyTorch. In the process of the table blocks that were freed before lie about, which hide a part of what a call
takes, or break up and add to it; in the other one every larger block is a mapping of its own, gone when it is freed.
"""

import gc
import multiprocessing
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Self

import torch

from crispseg.comparison.method import Example, Method, Setting
from crispseg.comparison.rows import RowPlan
from crispseg.process_memory import forget_peak, is_counted, mapped_blocks, peak_bytes, resident_bytes


class Memory:
    """Measures peaks, with one process for all that is measured on a CPU."""

    def __init__(self) -> None:
        self._worker = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_ignore_interrupts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def peak(self, recipe: RowPlan, method: Method, setting: Setting, example: Example) -> float | None:
        """Megabytes that a method takes for an example; None where that cannot be told.

        Args:
            recipe: Of the method, for another process to build.
            method: What it makes.
            setting: Of the method.
            example: With nothing computed yet.
        """
        if method.device.type == "cuda":
            return peak_on_cuda(lambda: method.run(example.afresh(), setting), method.device)
        if method.device.type != "cpu" or not is_counted():
            return None
        try:
            with mapped_blocks():
                return self._worker.submit(_peak, recipe, setting, example).result()
        except BrokenProcessPool:  # the system ended it, for want of memory
            return None


def peak_on_cpu(call: Callable[[], object]) -> float | None:
    """Megabytes that a call adds to the resident set of this process; None where that is not told."""
    call()  # libraries load, threads start
    gc.collect()
    try:
        forget_peak()
    except OSError:  # not allowed here
        return None
    before = resident_bytes()
    call()
    return max(peak_bytes() - before, 0) / 2**20


def peak_on_cuda(call: Callable[[], object], device: torch.device) -> float:
    """Megabytes of PyTorch's tensors that a call takes above what is there."""
    call()  # libraries load
    gc.collect()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def _peak(recipe: RowPlan, setting: Setting, example: Example) -> float | None:
    method = recipe.build()
    with torch.inference_mode():
        return peak_on_cpu(lambda: method.run(example.afresh(), setting))


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process of the table ends this one
