"""The rows of a GPU's table, the most important first: whole sharpeners, gradients, and attention beside them."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec

import torch
from torch import Tensor

from benchmarks.attention import FLEX, NATTEN, PACKAGES, flex_filter, natten_filter
from benchmarks.cases import FILTER, LADDER, PASSES, SHARPEN, WEIGHTS, row_named
from benchmarks.contenders import BOTH, FORWARD, OURS, Call, prepared
from benchmarks.floors import Work, work_of, work_of_levels
from benchmarks.inputs import PRESENT, BenchmarkInputs, Problem, class_scores, smooth_image
from crispseg import Sharpener

GIVEN, ALONE = "crispseg, embedding given", "crispseg, the filter alone"
_SIZES = ((360, 480), (720, 1280), (1024, 2048))
_CLASSES = (11, 19, 150)
_FIRST = ((0, 11), (2, 19), (1, 19))
"""Sizes and classes of the first rows: the smallest, and the sizes of cameras with the classes of streets."""

_PARTS = ("affinity_weights", "local_filter")
"""The operations of which `affinity_filter` consists on a GPU."""

Calls = Mapping[str, Call | str]
"""Calls by name, or why there is none."""


@dataclass(frozen=True)
class GpuRow:
    """A row of the table; its tensors are made when its turn comes, and gone after it."""

    name: str
    operations: tuple[str, ...]
    make: Callable[[], tuple[Calls, Mapping[str, Work]]]
    """Makes the calls, and the least work of some of them."""


def rows(device: str, *, quick: bool) -> Iterator[GpuRow]:
    """Yield the rows; quick ones are tiny."""
    problem = Problem(24, 3, 4, 2, device=device) if quick else Problem(513, device=device)
    for name in (SHARPEN, WEIGHTS, FILTER):
        yield _gradient_row(name, problem)
    sizes = ((8, 16), (16, 16), (16, 24)) if quick else _SIZES
    for size, num_classes in _FIRST:
        yield _whole_row(sizes[size], num_classes, device)
    for size, num_classes in _FIRST:
        yield _filter_row(sizes[size], num_classes, device)
    yield _window_row(problem)
    for size, height_width in enumerate(sizes):
        for num_classes in _CLASSES:
            if (size, num_classes) not in _FIRST:
                yield _whole_row(height_width, num_classes, device)
    yield _gradient_row(LADDER, problem)


def _gradient_row(name: str, problem: Problem) -> GpuRow:
    row = row_named(name)

    def make() -> tuple[Calls, Mapping[str, Work]]:
        inputs = BenchmarkInputs(problem)
        calls = {direction: prepared(row, row.contender(OURS), direction, inputs) for direction in (FORWARD, BOTH)}
        work = {direction: work_of(name, direction, problem) for direction in calls}
        return calls, {direction: least for direction, least in work.items() if least is not None}

    return GpuRow(f"{name}: {problem.size}×{problem.size}", row.operations, make)


def _whole_row(size: tuple[int, int], num_classes: int, device: str) -> GpuRow:
    def make() -> tuple[Calls, Mapping[str, Work]]:
        made, image, scores = _sharpening(size, num_classes, device)
        with torch.inference_mode():
            features = made.features(image)
        calls = {
            OURS: _without_gradient(partial(made, image, scores)),
            GIVEN: _without_gradient(partial(made, image, scores, features=features)),
        }
        return calls, {}

    return GpuRow(_named("sharpener", size, num_classes), ("joint_upsample", *_PARTS, "rebalance"), make)


def _filter_row(size: tuple[int, int], num_classes: int, device: str) -> GpuRow:
    """Return the row of all windows and passes of the default sharpener, beside attention in the same windows."""

    def make() -> tuple[Calls, Mapping[str, Work]]:
        made, image, scores = _sharpening(size, num_classes, device)
        with torch.inference_mode():
            features = made.features(image)
            shares = made.upsample(image, scores, features)

        def ours() -> Tensor:
            return made.unguarded(shares, features).values

        def all_levels(attention: Callable[..., Tensor]) -> Tensor:
            values = shares.values
            for level in made.levels:
                values = attention(features, values, level.window, level.passes)
            return values

        channels, values = features.shape[1], shares.values.shape[1]
        work = work_of_levels(made.levels, size, channels, values, values)
        return {ALONE: _without_gradient(ours)} | _beside(all_levels), {ALONE: work}

    return GpuRow(_named("filter of the sharpener", size, num_classes), _PARTS, make)


def _window_row(problem: Problem) -> GpuRow:
    row = row_named(SHARPEN)

    def make() -> tuple[Calls, Mapping[str, Work]]:
        inputs = BenchmarkInputs(problem)
        embedding, scores = inputs["embedding, NCHW"], inputs["scores"]

        def passes(attention: Callable[..., Tensor]) -> Tensor:
            return attention(embedding, scores, problem.window, PASSES)

        return {OURS: prepared(row, row.contender(OURS), FORWARD, inputs)} | _beside(passes), {}

    return GpuRow(f"{SHARPEN}, beside attention: {problem.size}×{problem.size}", row.operations, make)


def _beside(call: Callable[[Callable[..., Tensor]], Tensor]) -> dict[str, Call | str]:
    """Return the calls of the two kinds of attention, where they are installed."""
    found: dict[str, Call | str] = {}
    for name, attention in ((NATTEN, natten_filter), (FLEX, flex_filter)):
        here = _is_installed(PACKAGES[name])
        found[name] = _without_gradient(partial(call, attention)) if here else "not installed"
    return found


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package of the module
        return False


def _sharpening(size: tuple[int, int], num_classes: int, device: str) -> tuple[Sharpener, Tensor, Tensor]:
    """Return a sharpener, an image and scores; of many classes, 20 are in the image."""
    made = Sharpener.from_pretrained(device=device)
    scores = class_scores(num_classes, min(num_classes, PRESENT), size)
    return made, smooth_image(size).to(device), scores.to(device)


def _without_gradient(call: Callable[[], Tensor]) -> Call:
    def called() -> tuple[Tensor, ...]:
        with torch.inference_mode():
            return (call(),)

    return called


def _named(what: str, size: tuple[int, int], num_classes: int) -> str:
    present = f", {PRESENT} of them present" if num_classes > PRESENT else ""
    return f"{what}: {size[1]}×{size[0]}, {num_classes} classes{present}"
