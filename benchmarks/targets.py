"""Targets of the operations, and whether they are met."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.cases import (
    AT_ONCE,
    FILTER,
    LOSS,
    OURS_LAST,
    OURS_NCHW,
    SHARPEN,
    SHIFT,
    UNFOLD_EMBEDDING,
    UNFOLD_SCORES,
    WEIGHTS,
)
from benchmarks.contenders import BOTH, FORWARD, OURS
from benchmarks.inputs import Problem
from benchmarks.measure import Outcome, Timing
from benchmarks.scaling import Scaling
from benchmarks.sharpeners import CUSTOM, MANY_CLASSES, STANDARD, WHOLE

AT_LEAST, AT_MOST = "at least", "at most"
_NO_SLOWER = 1.05
"""A ratio of 1 of two times in turns, with their noise."""


@dataclass
class Measured:
    """All measurements on one problem, keyed by row name, direction and contender name."""

    problem: Problem
    times: dict[tuple[str, str, str], Outcome] = field(default_factory=dict)
    peaks: dict[tuple[str, str, str], int | None] = field(default_factory=dict)
    """Peak bytes above inputs and outputs; None if unknown."""

    def ms(self, row: str, direction: str, contender: str = OURS) -> float:
        """Return the median in milliseconds; NaN if there is none."""
        return milliseconds(self.times.get((row, direction, contender), ""))

    def peak(self, row: str, direction: str) -> float:
        """Return the peak bytes of ours; NaN if unknown."""
        peak = self.peaks.get((row, direction, OURS))
        return math.nan if peak is None else peak


def milliseconds(outcome: Outcome) -> float:
    """Return the median in milliseconds; NaN if there is none."""
    return outcome.median if isinstance(outcome, Timing) else math.nan


@dataclass(frozen=True)
class Target:
    """A number to reach, as a minimum or a maximum."""

    what: str
    limit: float
    bound: str
    value: Callable[[Measured, list[Scaling]], float]

    def verdict(self, value: float) -> str:
        """Return in words whether a value meets the target.

        >>> Target("", 60, AT_LEAST, lambda measured, scalings: 0).verdict(45)
        'falls short by 25 %'
        """
        if math.isnan(value):
            return "not measured"
        if value >= self.limit if self.bound == AT_LEAST else value <= self.limit:
            return "met"
        short = 1 - value / self.limit if self.bound == AT_LEAST else value / self.limit - 1
        return f"falls short by {100 * short:.0f} %"


def _growth(measured: Measured, scalings: list[Scaling]) -> float:
    """Return the time at the largest image size over the time at the second (1284×1284 over 321×321)."""
    for scaling in scalings:
        times = scaling.times.get((SHARPEN, FORWARD))
        if scaling.name == "image size" and times:
            return milliseconds(times[scaling.values[-1]]) / milliseconds(times[scaling.values[1]])
    return math.nan


def _of_the_sharpener(contender: str, limit: float) -> Target:
    def value(measured: Measured, scalings: list[Scaling]) -> float:
        return measured.ms(WHOLE, FORWARD, contender) / measured.ms(WHOLE, FORWARD)

    return Target(f"{contender} ÷ default sharpener", limit, AT_MOST, value)


TARGETS = (
    Target(
        "F.unfold of the embedding ÷ affinity_weights",
        60,
        AT_LEAST,
        lambda m, _: m.ms(WEIGHTS, FORWARD, UNFOLD_EMBEDDING) / m.ms(WEIGHTS, FORWARD),
    ),
    Target(
        "F.unfold of the scores ÷ (affinity_weights + 7 filter passes)",
        5,
        AT_LEAST,
        lambda m, _: m.ms(SHARPEN, FORWARD, UNFOLD_SCORES) / m.ms(SHARPEN, FORWARD),
    ),
    Target(
        "F.unfold of the embedding ÷ embedding_loss, forward and backward, stride 1",
        40,
        AT_LEAST,
        lambda m, _: m.ms(LOSS, BOTH, UNFOLD_EMBEDDING) / m.ms(LOSS, BOTH),
    ),
    Target(
        "shift loop ÷ (affinity_weights + 7 passes), forward and backward",
        15,
        AT_LEAST,
        lambda m, _: m.ms(SHARPEN, BOTH, SHIFT) / m.ms(SHARPEN, BOTH),
    ),
    Target(
        "backward ÷ forward of (affinity_weights + 7 passes)",
        3.5,
        AT_MOST,
        lambda m, _: m.ms(SHARPEN, BOTH) / m.ms(SHARPEN, FORWARD) - 1,
    ),
    Target(
        "peak memory above inputs and outputs, 7 passes of local_filter, forward ÷ the weights (4·K·H·W bytes)",
        1.3,
        AT_MOST,
        lambda m, _: m.peak(FILTER, FORWARD) / m.problem.nbytes("weights"),
    ),
    Target(
        "peak memory above inputs and outputs, embedding_loss, forward and backward ÷ the embedding",
        1.3,
        AT_MOST,
        lambda m, _: m.peak(LOSS, BOTH) / m.problem.nbytes("embedding"),
    ),
    Target("time at 1284×1284 ÷ at 321×321, affinity_weights + 7 passes", 18, AT_MOST, _growth),
    Target(
        "NCHW ÷ channels-last input, affinity_weights",
        _NO_SLOWER,
        AT_MOST,
        lambda m, _: m.ms(WEIGHTS, FORWARD, OURS_NCHW) / m.ms(WEIGHTS, FORWARD),
    ),
    Target(
        "NCHW ÷ channels-last input, affinity_filter",
        _NO_SLOWER,
        AT_MOST,
        lambda m, _: m.ms(AT_ONCE, FORWARD) / m.ms(AT_ONCE, FORWARD, OURS_LAST),
    ),
    Target("milliseconds of the default sharpener, two AVX-512 cores", 100, AT_MOST, lambda m, _: m.ms(WHOLE, FORWARD)),
    _of_the_sharpener(MANY_CLASSES, 2),
    _of_the_sharpener(CUSTOM, 1.2),
    _of_the_sharpener(STANDARD, 3),
)
