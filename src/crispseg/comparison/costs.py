"""Cost of methods: time, measured in turns on the same images, and memory."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

import torch
from rich.progress import Progress

from crispseg.comparison.images import Images
from crispseg.comparison.memory import Memory
from crispseg.comparison.method import Setting
from crispseg.comparison.rows import RowPlan
from crispseg.compatibility import synchronize

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
