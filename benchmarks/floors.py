"""Lower bounds (floors) of the time of the operations on this processor."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch

from benchmarks.cases import FILTER, LOSS, PASSES, SHARPEN, WEIGHTS
from benchmarks.contenders import BOTH, FORWARD
from benchmarks.inputs import Problem
from crispseg.window import Level

CAPTION = """\
Floor = max(operations ÷ rate, bytes ÷ bandwidth). Rates are the best of several runs in this process with the same
threads: the multiply-adds of a float32 matrix product, and a copy of a large tensor (bytes read and written). A plain
addition counts as a multiply-add. L1 distance: a subtraction and an addition of the absolute value for each pair and
channel, with d(i, j) = d(j, i) counted once. Filter: one multiply-add for each pixel, neighbour, channel and pass. Loss
with backward: the distances twice, and for the gradient a subtraction and an addition for each pair and channel from
both sides. Only pairs inside the image count. Exponentials, the division by the sum of weights and the hinge are not
counted. Bytes: inputs read once, outputs written once, weights written once and read once per pass."""


@dataclass(frozen=True)
class Rates:
    """Measured peak rates of the processor."""

    multiply_adds: float
    """Multiply-adds per second."""
    bandwidth: float
    """Bytes per second."""


@dataclass(frozen=True)
class Work:
    """The least work of an operation."""

    operations: int
    bytes: int

    def milliseconds(self, rates: Rates) -> float:
        """Return the least time for the work, in milliseconds."""
        return 1000 * max(self.operations / rates.multiply_adds, self.bytes / rates.bandwidth)


def measured_rates(device: str, *, quick: bool) -> Rates:
    """Measure multiply-adds and copied bytes per second."""
    on_gpu = torch.device(device).type == "cuda"
    side = 64 if quick else 8192 if on_gpu else 1024  # on a CPU, three matrices of 12 MB that stay in its cache
    first, second = torch.rand(2, side, side, device=device)
    product = torch.empty_like(first)
    seconds = _fastest(lambda: torch.mm(first, second, out=product), device, quick=quick)
    source = torch.ones(2**16 if quick else 2**28 if on_gpu else 2**26, device=device)
    target = torch.zeros_like(source)
    copying = _fastest(lambda: target.copy_(source), device, quick=quick)
    return Rates(side**3 / seconds, 2 * source.nbytes / copying)


def work_of_levels(levels: Iterable[Level], size: tuple[int, int], channels: int, compared: int, values: int) -> Work:
    """Return the least work of the filter of a sharpener: distances once for each level, then its passes.

    Args:
        levels: The levels of the sharpener.
        size: Height and width of the image.
        channels: Those of the embedding.
        compared: Channels of the scores whose differences add to the distances.
        values: Channels that are filtered.
    """
    height, width = size
    operations = nbytes = 0
    for level in levels:
        reached = sum(max(0, height - abs(down)) * max(0, width - abs(right)) for down, right in level.window.offsets)
        depth = channels + (compared if level.score_weight else 0)
        operations += depth * (reached - height * width) + level.passes * reached * values
        nbytes += 4 * height * width * (depth + 2 * values)
    return Work(operations, nbytes)


def work_of(row: str, direction: str, problem: Problem) -> Work | None:
    """Return the least work of a row; None if it is not counted."""
    size = problem.size
    # `reached` counts every neighbour inside the image with the centre; `directed`, without it, every pair twice.
    reached = problem.batch * sum(
        max(0, size - abs(down)) * max(0, size - abs(right)) for down, right in problem.window.offsets
    )
    directed = reached - problem.batch * size**2
    distances = 2 * problem.channels * directed // 2
    embedding, weights, scores = (problem.nbytes(name) for name in ("embedding", "weights", "scores"))
    one_pass = reached * problem.num_classes
    counts = {
        ("local_distance", FORWARD): Work(distances, embedding + weights),
        (WEIGHTS, FORWARD): Work(distances, embedding + weights),
        (FILTER, FORWARD): Work(PASSES * one_pass, 2 * scores + PASSES * weights),
        (SHARPEN, FORWARD): Work(distances + PASSES * one_pass, embedding + 2 * scores + (1 + PASSES) * weights),
        (LOSS, FORWARD): Work(distances, embedding),
        (LOSS, BOTH): Work(2 * distances + 2 * problem.channels * directed, 2 * embedding),
    }
    return counts.get((row, direction))


def _fastest(call: Callable[[], object], device: str, *, quick: bool) -> float:
    """Return the seconds of the fastest run, for a peak rate."""
    seconds = []
    for _ in range(2 if quick else 12):
        start = time.perf_counter()
        call()
        if torch.device(device).type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - start)
    return min(seconds)
