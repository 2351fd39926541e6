"""Measurement of rows one after another, tuned on some images and reported on the others."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress

from crispseg.comparison.costs import Cost, measure_costs
from crispseg.comparison.counting import Counting
from crispseg.comparison.images import Images
from crispseg.comparison.method import Method, Setting
from crispseg.comparison.result import Result, paths, read_result, write_result
from crispseg.comparison.rows import FAST, ROWS, Row, RowPlan, TableChoices, row_named
from crispseg.comparison.search import Found, search
from crispseg.data import LabelledPredictions
from crispseg.defaults import TUNE_EVERY
from crispseg.errors import InputError
from crispseg.evaluation.kept_counts import describe_data, sha256_of
from crispseg.metrics import AbsentClasses, Accuracy
from crispseg.pretrained import weights_path
from crispseg.run_settings import with_version
from crispseg.single_writer import only_writer
from crispseg.tuning.result import MEASURED, totals_of
from crispseg.value_checks import check_choice
from crispseg.writing import make_folder, remove_left_over

BASELINE = "baseline"

_FILES = ("table", "surface")
"""Names, without suffix, of the files that `crispseg table` writes beside the rows."""


@dataclass(frozen=True)
class Table:
    """The measured rows."""

    results: Sequence[Result]
    """Results in the order of `ROWS`; the first is the baseline."""
    costs: Mapping[str, Cost]
    """Cost of each method, by row name."""
    left_out: Mapping[str, str]
    """Reason why each other row was left out, by row name."""
    context: Mapping[str, Any]
    """Description of data and options."""
    class_names: Sequence[str] = ()
    """Names of the classes, as far as they are known."""


@torch.inference_mode()
def measure_table(
    data: LabelledPredictions,
    output: Path,
    choices: TableChoices,
    *,
    rows: Sequence[str] | None = None,
    tune_every: int = TUNE_EVERY,
    tune_images: int | None = None,
    every: int = 1,
    resume: bool = False,
    workers: int = 0,
    absent_classes: AbsentClasses = "count",
    progress: Progress | None = None,
) -> Table:
    """Tune and measure the rows of the table, and write each row as soon as it is measured.

    Costs are measured at the end.

    Args:
        data: Images with true labels, predictions and, if available, boundary maps.
        output: Folder in which `rows/` gets two files for each row.
        choices: Device and weights.
        rows: Names in `ROWS`; all by default. The baseline and the rows that a row builds on are always included.
        tune_every: Parameters are tuned on every n-th image, from the first on; the others are reported.
        tune_images: Tune on at most so many of these, spread evenly; None for all.
        every: Use only every n-th image to tune on and every n-th to report, for a quick look.
        resume: Whether to reuse rows in `output`, whichever device counted them.
        workers: Number of processes that tune and count, each an image at a time; 0 for this process only. Costs are
            always measured in this process.
        absent_classes: How a predicted class without true pixels enters reported means: "count" or "ignore", as in
            `Accuracy`. The search leaves such classes out.
        progress: Progress bar to update.

    Raises:
        InputError: If an option is out of range, a file cannot be read, a size does not fit, `output` already holds
            rows and `resume` is False, these rows were measured on other data or with other options, or another run
            writes to it.
    """
    chosen, left_out = choose_rows(rows, boundaries=data.boundaries[0] is not None)
    images, folder = Images(data, tune_every, tune_images, every), output / "rows"
    if not resume and any(folder.glob("*.json")):
        raise InputError(f"{output} already holds rows; continue with --resume, or choose another --output")
    for row in chosen:
        if not row.needs:  # refuses bad weights before any work
            row.build(choices, {})
    used = {"tune_every": tune_every, "tuned_images": len(images.tuning), "every": every}
    context = {**_describe(data, choices, images.void_band), **used}
    progress = progress or Progress(disable=True)
    task = progress.add_task("rows", total=len(chosen))
    measured: dict[str, tuple[RowPlan, Result]] = {}
    with only_writer(output), Counting(images, workers, progress) as counting:
        make_folder(folder)
        remove_left_over(folder, {path.stem for row in ROWS for path in paths(folder, row.name)})
        remove_left_over(output, _FILES)
        measuring = _Measuring(images, counting, RowPlan(BASELINE, choices, {}), absent_classes)
        for row in chosen:
            plan = RowPlan(row.name, choices, {name: measured[name][1].setting for name in row.needs})
            method = plan.build()
            made_on = with_version({**context, "searched": method.values, "start": method.start, "after": plan.earlier})
            result = read_result(row.name, folder, made_on, absent_classes, data.mean_over)
            if result is None:
                result = measuring.measure(plan, method)
                write_result(result, folder, made_on)
            measured[row.name] = plan, result
            progress.advance(task)
    costs = measure_costs(images, [(plan, result.setting) for plan, result in measured.values()], progress)
    results = [result for _, result in measured.values()]
    return Table(results, costs, left_out, {**context, "device": str(choices.device)}, data.class_names)


def choose_rows(names: Sequence[str] | None, *, boundaries: bool) -> tuple[list[Row], dict[str, str]]:
    """Return the rows with these names and the rows they build on, and the reasons why others are left out.

    Raises:
        InputError: If no row has a given name, or a given row cannot be measured.
    """
    by_name = {row.name: row for row in ROWS}
    for name in names or ():
        check_choice("row", name, tuple(by_name))
    wanted = set(by_name) if names is None else {BASELINE, *names}
    wanted |= {need for name in wanted for need in by_name[name].needs}
    left_out: dict[str, str] = {}
    for row in ROWS:
        if row.package is not None and not _installed(row.package):
            left_out[row.name] = f"the module {row.package} is not installed"
        elif row.boundaries and not boundaries:
            left_out[row.name] = "there are no boundary maps"
        elif missing := [name for name in row.needs if name in left_out]:
            left_out[row.name] = f"{missing[0]} is left out"
    for name in names or ():
        if name in left_out:
            raise InputError(f"row {name!r} cannot be measured: {left_out[name]}")
    chosen = [row for row in ROWS if row.name in wanted and row.name not in left_out]
    return chosen, {name: why for name, why in left_out.items() if name in wanted}


def _installed(module: str) -> bool:
    """Return whether a module and its parent are installed; OpenCV exists with and without `ximgproc`."""
    parent = module.rpartition(".")[0]
    return (not parent or _installed(parent)) and find_spec(module) is not None


def _describe(data: LabelledPredictions, choices: TableChoices, void_band: int) -> dict[str, Any]:
    """Return a description of the data and the options of a table."""
    return {
        **describe_data(data, void_band),
        "mean_over": data.mean_over and list(data.mean_over),
        "weights": choices.weights,
        "sha256 of weights": [sha256_of([weights_path(name)]) for name in (choices.weights, FAST)],
    }


class _Measuring:
    """Tunes and measures methods on the same images.

    Args:
        images: The images.
        counting: Counts results on the images.
        baseline: Plan of the first row.
        absent_classes: Rule for absent classes, as in `measure_table`.
    """

    def __init__(self, images: Images, counting: Counting, baseline: RowPlan, absent_classes: AbsentClasses) -> None:
        self.images = images
        self.counting = counting
        data = images.data
        self.searched = partial(totals_of, data.num_classes, data.mean_over)
        self.reported = partial(Accuracy, data.num_classes, absent_classes=absent_classes, mean_over=data.mean_over)
        [self.before] = counting.count(baseline, [{}], images.tuning, self.searched, BASELINE)
        for name in MEASURED:
            if math.isnan(self.before.value(name)):
                raise InputError(
                    f"{name} is undefined on the {self.before.images} images to tune on: their labels have "
                    f"{self.before.undefined(name) or 'no boundary'}; choose another --tune-every"
                )

    def measure(self, plan: RowPlan, method: Method) -> Result:
        """Tune a method on the tuning images, then measure it on the others."""
        row = row_named(plan.row)
        found = search(method, lambda settings: self._gains(plan, settings))
        name = f"{row.name}: reporting"
        [accuracy] = self.counting.count(plan, [found.setting], self.images.reported, self.reported, name)
        return Result(row.name, row.group, found.setting, found.edges, _as_lines(found), accuracy)

    def _gains(self, plan: RowPlan, settings: Sequence[Setting]) -> list[tuple[float, ...]]:
        """Return the gains of mIoU and trimap mIoU in points for each setting on the tuning images."""
        name = f"{plan.row}: {len(settings)} settings"
        counted = self.counting.count(plan, settings, self.images.tuning, self.searched, name)
        return [tuple(after.value(metric) - self.before.value(metric) for metric in MEASURED) for after in counted]


def _as_lines(found: Found) -> list[Mapping[str, Any]]:
    return [{"settings": dict(key), **dict(zip(MEASURED, gains, strict=True))} for key, gains in found.tried.items()]
