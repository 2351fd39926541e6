"""Measure rows one after the other: tuned on some images, reported on the others."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.progress import Progress
from torch import Tensor

from crispseg.checks import check_choice
from crispseg.comparison.measure import milliseconds
from crispseg.comparison.memory import Memory
from crispseg.comparison.method import Baseline, Example, Method, Setting
from crispseg.comparison.result import Result, read_result, write_result
from crispseg.comparison.rows import NARROW, ROWS, Choices, Row
from crispseg.comparison.search import Found, key_of, search
from crispseg.data import LabelledPredictions
from crispseg.errors import InputError, naming
from crispseg.evaluation import METRICS, Accuracy, Truth
from crispseg.inference.one_image import fitted_boundary
from crispseg.pretrained import weights_path
from crispseg.tuning.tune import MEASURED
from crispseg.writing import make_folder

BASELINE = "baseline"
_TIMED = 7
"""Images on which methods are timed."""


class Images:
    """The images of a comparison, read as they are needed: some to tune on, the others to report.

    Args:
        data: All of them.
        tune_every: Every how many-th image is for tuning.

    Raises:
        InputError: If nothing would be left to report.
    """

    def __init__(self, data: LabelledPredictions, tune_every: int) -> None:
        if tune_every < 2 or len(data) < 2:
            raise InputError(f"every {tune_every}. of {len(data)} images to tune on leaves none to report")
        self.data = data
        self.tuning = range(0, len(data), tune_every)
        self.reported = [index for index in range(len(data)) if index % tune_every]

    def read(self, indices: Sequence[int], metrics: Sequence[str]) -> Iterator[tuple[Example, Truth]]:
        """Examples, each with its truth prepared for metrics."""
        for index in indices:
            sample, prediction = self.data.read(index)
            boundary = fitted_boundary(self.data.boundaries[index], sample.image)
            with naming(self.data.files[index]):
                yield (
                    Example(sample.image, prediction, boundary, sample.labels),
                    Truth(sample.labels, self.data.classes, metrics),
                )


@dataclass(frozen=True)
class Table:
    """What was measured."""

    results: Sequence[Result]
    """In the order of `ROWS`; the first is the baseline."""
    milliseconds: Mapping[str, float]
    """For an image, by the names of the rows."""
    left_out: Mapping[str, str]
    """Why other rows were left out, by their names."""
    context: Mapping[str, Any]
    """What it was measured on."""


@torch.inference_mode()
def measure_table(
    data: LabelledPredictions,
    output: Path,
    choices: Choices,
    *,
    rows: Sequence[str] | None = None,
    tune_every: int = 6,
    resume: bool = False,
    progress: Progress | None = None,
) -> Table:
    """Tune and measure rows of the table; each is written as soon as it is known. All are timed together at the end.

    Args:
        data: Images with true labels, predictions and perhaps boundary maps.
        output: Folder for `rows/`, two files for each.
        choices: Device and weights.
        rows: Names in `ROWS`; all by default. The baseline and what a row builds on come along.
        tune_every: Parameters are searched on every so-manieth image, from the first on; the others are reported.
        resume: Take rows that `output` holds already.
        progress: Shows how far it is.

    Raises:
        InputError: If an option makes no sense, a file cannot be read or does not fit, or `output` holds rows while
            `resume` is not given, or rows that were measured on something else.
    """
    chosen, left_out = choose_rows(rows, boundaries=data.boundaries[0] is not None)
    images, folder = Images(data, tune_every), output / "rows"
    if not resume and any(folder.glob("*.json")):
        raise InputError(f"{output} holds rows already; go on with --resume, or choose another --output")
    alone = {row.name: row.build(choices, {}) for row in chosen if not row.needs}  # refuses weights before any work
    context = _describe(data, choices, tune_every)
    make_folder(folder)
    task = None if progress is None else progress.add_task("rows", total=len(chosen))
    earlier: dict[str, tuple[Method, Setting]] = {}
    results = []
    with Memory(choices) as memory:
        measuring = _Measuring(images, choices.device, memory, progress)
        for row in chosen:
            method = alone[row.name] if row.name in alone else row.build(choices, earlier)
            before = {name: earlier[name][1] for name in row.needs}
            made_on = {**context, "searched": method.values, "start": method.start, "after": before}
            result = read_result(row.name, folder, made_on)
            if result is None:
                result = measuring.measure(row, method, before)
                write_result(result, folder, made_on)
            earlier[row.name] = method, result.setting
            results.append(result)
            if progress and task is not None:
                progress.advance(task)
        return Table(results, measuring.time(earlier), left_out, context)


def choose_rows(names: Sequence[str] | None, *, boundaries: bool) -> tuple[list[Row], dict[str, str]]:
    """The rows of those names with what they build on, and the reasons why others are left out.

    Raises:
        InputError: If a name is of no row, or a row that was asked for cannot be measured.
    """
    by_name = {row.name: row for row in ROWS}
    for name in names or ():
        check_choice("row", name, tuple(by_name))
    wanted = set(by_name) if names is None else {BASELINE, *names}
    wanted |= {need for name in wanted for need in by_name[name].needs}
    left_out: dict[str, str] = {}
    for row in ROWS:
        if row.package is not None and not _installed(row.package):
            left_out[row.name] = f"the package of {row.package} is not installed"
        elif row.boundaries and not boundaries:
            left_out[row.name] = "there are no boundary maps"
        elif missing := [name for name in row.needs if name in left_out]:
            left_out[row.name] = f"{missing[0]} is left out"
    for name in names or ():
        if name in left_out:
            raise InputError(f"row {name!r}: {left_out[name]}")
    chosen = [row for row in ROWS if row.name in wanted and row.name not in left_out]
    return chosen, {name: why for name, why in left_out.items() if name in wanted}


def _installed(module: str) -> bool:
    """Whether there is such a module, and the one that it lies in: OpenCV comes with and without its `ximgproc`."""
    parent = module.rpartition(".")[0]
    return (not parent or _installed(parent)) and find_spec(module) is not None


def _describe(data: LabelledPredictions, choices: Choices, tune_every: int) -> dict[str, Any]:
    """What a table is made on."""
    boundary = data.boundaries[0]
    return {
        "images": str(data.folder.images[0].parent),
        "labels": str(data.folder.labels[0].parent),
        "predictions": str(data.files[0].parent),
        "boundaries": None if boundary is None else str(boundary.parent),
        "count": len(data),
        "classes": data.classes,
        "void": data.folder.void,
        "scores": data.scores,
        "tune_every": tune_every,
        "weights": choices.weights,
        "sha256 of weights": [_sha256(weights_path(name)) for name in (choices.weights, NARROW)],
        "device": str(choices.device),
    }


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(f"weights {path}: cannot be read ({error.strerror or error})") from error


class _Measuring:
    """Tunes and measures methods on the same images.

    Args:
        images: The images.
        device: What to wait for when time is taken.
        memory: Measures it.
        progress: Shows how far it is.
    """

    def __init__(self, images: Images, device: torch.device, memory: Memory, progress: Progress | None) -> None:
        self.images = images
        self.device = device
        self.memory = memory
        self.progress = progress
        self.before = self._count(Baseline(), [{}], BASELINE)[0]
        for name in MEASURED:
            if math.isnan(self.before.value(name)):
                raise InputError(
                    f"{name} is not defined on the {self.before.images} images to tune on: their labels show no "
                    "boundary; choose another --tune-every"
                )

    def measure(self, row: Row, method: Method, earlier: Mapping[str, Setting]) -> Result:
        """Search on the tuning images, then measure on the others; `earlier` are settings of rows it builds on."""
        found = search(method, lambda settings: self._gains(method, settings, row.name))
        accuracy, peak = Accuracy(self.images.data.classes), None
        for example, truth in self._tracked(self.images.reported, METRICS, f"{row.name}: reporting"):
            if not accuracy.images:
                peak = self.memory.peak(row.name, method, found.setting, earlier, example.afresh())
            accuracy.add(_labels(method.run(example, found.setting), example), truth)
        return Result(
            name=row.name,
            group=row.group,
            setting=found.setting,
            edges=found.edges,
            search=_as_lines(found),
            accuracy=accuracy,
            peak_mb=peak,
        )

    def time(self, methods: Mapping[str, tuple[Method, Setting]]) -> dict[str, float]:
        """Median milliseconds of each, over a few reported images on which all take turns."""
        chosen = self.images.reported[:: math.ceil(len(self.images.reported) / _TIMED)]
        times: dict[str, list[float]] = {name: [] for name in methods}
        for example, _ in self._tracked(chosen, (), "timing"):
            for name, (method, setting) in methods.items():
                times[name].append(milliseconds(partial(method.run, example.afresh(), setting), self.device))
        return {name: median(values) for name, values in times.items()}

    def _gains(self, method: Method, settings: Sequence[Setting], name: str) -> list[tuple[float, ...]]:
        """Points of mIoU and trimap mIoU that each setting gains on the tuning images."""
        counted = self._count(method, settings, f"{name}: {len(settings)} settings")
        return [tuple(after.value(metric) - self.before.value(metric) for metric in MEASURED) for after in counted]

    def _count(self, method: Method, settings: Sequence[Setting], description: str) -> list[Accuracy]:
        counted = {key_of(setting): Accuracy(self.images.data.classes, MEASURED) for setting in settings}
        for example, truth in self._tracked(self.images.tuning, MEASURED, description):
            for setting, result in method.sweep(example, settings):
                counted[key_of(setting)].add(_labels(result, example), truth)
        return list(counted.values())

    def _tracked(
        self, indices: Sequence[int], metrics: Sequence[str], description: str
    ) -> Iterator[tuple[Example, Truth]]:
        if self.progress is None:
            yield from self.images.read(indices, metrics)
            return
        task = self.progress.add_task(description, total=len(indices))
        for item in self.images.read(indices, metrics):
            yield item
            self.progress.advance(task)
        self.progress.remove_task(task)


def _labels(result: Tensor, example: Example) -> Tensor:
    if result.ndim == 2:
        return result
    return replace(example.prediction, kind="probabilities").labels(result[0])


def _as_lines(found: Found) -> list[Mapping[str, Any]]:
    return [{"settings": dict(key), **dict(zip(MEASURED, gains, strict=True))} for key, gains in found.tried.items()]
