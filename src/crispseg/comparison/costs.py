"""Cost of methods: time, measured in turns on the same images, and peak memory."""

import gc
import math
import multiprocessing
import signal
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import Self

import torch
from rich.progress import Progress

from crispseg.comparison.images import Images
from crispseg.comparison.method import Example, Method, Setting
from crispseg.comparison.rows import RowPlan
from crispseg.compatibility import synchronize
from crispseg.process_memory import forget_peak, is_counted, mapped_blocks, peak_bytes, resident_bytes

_TIMED = 7
"""Number of images on which methods are timed, at most."""


@dataclass(frozen=True)
class Cost:
    """The cost of a method for one image."""

    milliseconds: float
    """Median over a few images."""
    peak_mb: float | None
    """Peak memory above the memory in use before the method; None if it cannot be measured."""


def measure_costs(images: Images, tuned: Sequence[tuple[RowPlan, Setting]], progress: Progress) -> dict[str, Cost]:
    """Measure the cost of each method at its setting on some reported images; return costs by row name."""
    methods = [(plan, plan.build(), setting) for plan, setting in tuned]
    chosen = images.reported[:: math.ceil(len(images.reported) / _TIMED)]
    times: dict[str, list[float]] = {plan.row: [] for plan, _ in tuned}
    task = progress.add_task("time and memory", total=(len(chosen) + 1) * len(methods))
    peaks = {}
    with Memory() as memory:
        example, _ = images.read(chosen[0], ())
        for plan, method, setting in methods:
            peaks[plan.row] = memory.peak(plan, method, setting, example.afresh())
            progress.advance(task)
    for index in chosen:
        example, _ = images.read(index, ())
        for plan, method, setting in methods:
            times[plan.row].append(milliseconds(partial(method.run, example.afresh(), setting), method.device))
            progress.advance(task)
    return {name: Cost(median(values), peaks[name]) for name, values in times.items()}


def milliseconds(call: Callable[[], object], device: torch.device) -> float:
    """Time a call in milliseconds, including all pending work on the device."""
    synchronize(device)
    start = time.perf_counter()
    call()
    synchronize(device)
    return 1000 * (time.perf_counter() - start)


class Memory:
    """Measures peaks of memory, above the memory in use before.

    On CUDA, PyTorch counts it. On a CPU, it is the growth of the resident set of a separate process, since libraries
    may allocate without PyTorch. The main process would give wrong numbers: blocks that were freed earlier can hide a
    part of what a call takes, or fragment and add to it. In the separate process, which serves all methods, every
    larger block is a mapping of its own that is unmapped as soon as it is freed.
    """

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
