"""Growth of the time with one size while the others are fixed."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import torch

from benchmarks.cases import FILTER, LOSS, SHARPEN, WEIGHTS, row_named
from benchmarks.contenders import BOTH, FORWARD, OURS, Call, prepared
from benchmarks.inputs import BenchmarkInputs, Problem
from benchmarks.measure import Outcome, in_turns

Column = tuple[str, str]
"""Name of a row, and a direction."""

_EVERYTHING = ((WEIGHTS, FORWARD), (SHARPEN, FORWARD), (SHARPEN, BOTH), (LOSS, BOTH))


@dataclass(frozen=True)
class ScalingAxis:
    """One size, its values, and the rows to time at each value."""

    name: str
    field: str
    """Field of the problem; empty for the number of threads, which is not part of a problem."""
    values: tuple[int, ...]
    quick_values: tuple[int, ...]
    columns: tuple[Column, ...]


AXES = (
    ScalingAxis("image size", "size", (161, 321, 642, 1284), (6, 12, 24, 48), _EVERYTHING),
    ScalingAxis("window", "window_size", (3, 5, 7, 9, 11, 15), (3, 5), _EVERYTHING),
    ScalingAxis("embedding channels", "channels", (8, 16, 32, 64, 128), (2, 4), ((WEIGHTS, FORWARD), (LOSS, BOTH))),
    ScalingAxis("score channels", "num_classes", (1, 2, 21, 150), (1, 2), ((FILTER, FORWARD), (FILTER, BOTH))),
)


@dataclass(frozen=True)
class Scaling:
    """Times along one axis."""

    name: str
    values: tuple[int, ...]
    times: dict[Column, dict[int, Outcome]]


def scalings(problem: Problem, names: set[str], *, quick: bool, progress: Callable[[str], None]) -> Iterator[Scaling]:
    """Time ours along every axis, for the rows with these names."""
    threads = tuple(range(1, torch.get_num_threads() + 1)) if problem.device == "cpu" else ()
    for axis in (*AXES, ScalingAxis("threads", "", threads, threads, _EVERYTHING)):
        values = axis.quick_values if quick else axis.values
        columns = [column for column in axis.columns if column[0] in names]
        if not columns or len(values) < 2:
            continue
        times = {}
        for column in columns:
            progress(f"scaling with {axis.name}: {column[0]}, {column[1]}")
            times[column] = _along(axis, values, column, problem, quick=quick)
        yield Scaling(axis.name, values, times)


def _along(
    axis: ScalingAxis, values: tuple[int, ...], column: Column, problem: Problem, *, quick: bool
) -> dict[int, Outcome]:
    if not axis.field:
        return _along_threads(values, column, problem, quick=quick)
    calls = {str(value): _call(column, Problem(**(asdict(problem) | {axis.field: value}))) for value in values}
    outcomes = in_turns(calls, problem.device, quick=quick)
    return {value: outcomes[str(value)] for value in values}


def _along_threads(values: tuple[int, ...], column: Column, problem: Problem, *, quick: bool) -> dict[int, Outcome]:
    """Time one number of threads after another, since resizing the pool at every call would distort the times."""
    before, call = torch.get_num_threads(), _call(column, problem)
    outcomes: dict[int, Outcome] = {}
    try:
        for value in values:
            torch.set_num_threads(value)
            outcomes[value] = in_turns({"": call}, problem.device, quick=quick)[""]
    finally:
        torch.set_num_threads(before)
    return outcomes


def _call(column: Column, problem: Problem) -> Call:
    row = row_named(column[0])
    return prepared(row, row.contender(OURS), column[1], BenchmarkInputs(problem))
