"""Timing of several calls on one input in turns, so that any other load on the machine affects all of them."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.contenders import BenchmarkRow, Call, Contender, prepared
from benchmarks.inputs import BenchmarkInputs, Problem

_SECONDS = 1.5
"""Total time for the runs of one call, within the limits below."""
_FEWEST, _MOST = 3, 25
_SLOW = 4.0
"""Calls that take more seconds than this run only once after the first run."""
_SHARE = 0.8
"""Share of the free memory that a baseline may need."""


@dataclass(frozen=True)
class Timing:
    """Milliseconds of repeated runs."""

    median: float
    low: float
    high: float
    runs: int | None = None
    """Number of runs; None if Triton's benchmark chose it."""


Outcome = Timing | str
"""A time, or the reason why there is none."""


def times_of(row: BenchmarkRow, direction: str, inputs: BenchmarkInputs, *, quick: bool) -> dict[str, Outcome]:
    """Time all contenders of a row, by name, ours first."""
    reasons = {c.name: why_left_out(c, inputs.problem, direction, quick=quick) for c in row.contenders}
    able = [c for c in row.contenders if not reasons[c.name]]
    calls = {c.name: prepared(row, c, direction, inputs) for c in able}
    for contender in able:
        if contender.slow_to_make:
            calls[contender.name]()  # the first call makes it, which says nothing about the time of a call
    timings = in_turns(calls, inputs.problem.device, quick=quick)
    return {name: timings.get(name, reason) for name, reason in reasons.items()}


def why_left_out(contender: Contender, problem: Problem, direction: str, *, quick: bool) -> str:
    """Return why a contender cannot run here; empty if it can."""
    if missing := contender.missing(problem):
        return missing
    if quick and contender.slow_to_make:
        return "left out: takes long to make"
    needed = contender.bytes_needed(problem, direction)
    if needed > _SHARE * _free_memory(problem.device):
        return f"left out: needs about {needed / 2**30:.0f} GiB"
    return ""


def in_turns(calls: Mapping[str, Call], device: str, *, quick: bool) -> dict[str, Outcome]:
    """Time calls in turns, by name."""
    outcomes: dict[str, Outcome] = {}
    seconds = {}
    on_gpu = torch.device(device).type == "cuda"
    for name, call in calls.items():
        try:
            if on_gpu:
                outcomes[name] = _on_gpu(call, quick=quick)
                continue
            # The first run includes loading, so a second run gives the time of a call, unless the first was too slow.
            first = _seconds(call)
            seconds[name] = first if first > _SECONDS else _seconds(call)
        except RuntimeError as error:
            if "memory" not in str(error).lower():
                raise
            outcomes[name] = "out of memory"
    able = {name: call for name, call in calls.items() if name in seconds}
    runs = {name: 1 if quick else _repetitions(seconds[name]) for name in able}
    milliseconds: dict[str, list[float]] = {name: [] for name in able}
    for name in _turns(runs):
        milliseconds[name].append(1000 * _seconds(able[name]))
    return outcomes | {
        name: Timing(statistics.median(values), min(values), max(values), len(values))
        for name, values in milliseconds.items()
    }


def _repetitions(seconds: float) -> int:
    return 1 if seconds > _SLOW else max(_FEWEST, min(_MOST, round(_SECONDS / seconds)))


def _turns(runs: Mapping[str, int]) -> Iterator[str]:
    """Yield names in the order of their runs, each spread evenly over the whole time.

    >>> list(_turns({"ours": 4, "theirs": 2}))
    ['ours', 'ours', 'theirs', 'ours', 'ours', 'theirs']
    """
    rounds = max(runs.values(), default=0)
    for index in range(rounds):
        for name, count in runs.items():
            if (index + 1) * count // rounds > index * count // rounds:
                yield name


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def _on_gpu(call: Call, *, quick: bool) -> Timing:
    """Return median and spread from Triton's benchmark, which clears the L2 cache before every run."""
    from triton.testing import do_bench  # noqa: PLC0415 - Triton is not on every machine

    torch.cuda.empty_cache()
    budget = {"warmup": 1, "rep": 1} if quick else {}
    median, low, high = do_bench(call, quantiles=[0.5, 0.0, 1.0], **budget)
    return Timing(median, low, high)


def _free_memory(device: str) -> float:
    if torch.device(device).type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return float(free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device))
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
    available = [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    return float(available[0]) if available else float("inf")
