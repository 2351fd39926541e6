"""Peak memory of a method, above the memory in use before it.

On CUDA, PyTorch counts it. On a CPU, it is the growth of the resident set of a separate process, since libraries may
allocate without PyTorch. The main process would give wrong numbers: blocks that were freed earlier can hide a part of
what a call takes, or fragment and add to it. In the separate process, every larger block is a mapping of its own that
is unmapped as soon as it is freed.
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
    """Measures peaks of memory, with one separate process for all methods on a CPU."""

    def __init__(self) -> None:
        self._worker = ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=_ignore_interrupts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._worker.shutdown(wait=False, cancel_futures=True)

    def peak(self, plan: RowPlan, method: Method, setting: Setting, example: Example) -> float | None:
        """Measure the megabytes that a method takes for an example; return None if they cannot be measured.

        Args:
            plan: Plan of the method, from which the separate process builds it.
            method: The method built from `plan`.
            setting: Setting of the method.
            example: Example with nothing computed yet.
        """
        if method.device.type == "cuda":
            return peak_on_cuda(lambda: method.run(example.afresh(), setting), method.device)
        if method.device.type != "cpu" or not is_counted():
            return None
        try:
            with mapped_blocks():
                return self._worker.submit(_peak, plan, setting, example).result()
        except BrokenProcessPool:  # the system ended it for lack of memory
            return None


def peak_on_cpu(call: Callable[[], object]) -> float | None:
    """Measure the megabytes that a call adds to the resident set of this process; return None if it is unknown."""
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
    """Measure the megabytes that PyTorch allocates in a call, above those allocated before."""
    call()  # libraries load
    gc.collect()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    return (torch.cuda.max_memory_allocated(device) - before) / 2**20


def _peak(plan: RowPlan, setting: Setting, example: Example) -> float | None:
    method = plan.build()
    with torch.inference_mode():
        return peak_on_cpu(lambda: method.run(example.afresh(), setting))


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends this one
