"""The boundary benchmark over files, several images at a time."""

import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from rich.progress import Progress

from crispseg.data.boundary import read_boundary
from crispseg.data.bsds500 import read_boundaries
from crispseg.defaults import MAX_DISTANCE, THRESHOLDS
from crispseg.errors import InputError, naming
from crispseg.evaluation.boundary_report import BoundaryReport
from crispseg.evaluation.kept_counts import Counts, KeptCounts
from crispseg.metrics.boundaries import BoundaryCounts, count_boundaries
from crispseg.value_checks import check_natural


def evaluate_boundaries(
    predictions: Sequence[Path],
    truths: Sequence[Path],
    *,
    names: Sequence[str] | None = None,
    thresholds: int = THRESHOLDS,
    max_distance: float = MAX_DISTANCE,
    thinned: bool = False,
    workers: int = 0,
    kept: KeptCounts | None = None,
    progress: Progress | None = None,
) -> BoundaryReport:
    """Measure boundary maps against the ground truth of BSDS500. Needs SciPy (extra `data`).

    Args:
        predictions: Files of boundary maps that `crispseg.data.read_boundary` can read, each as large as its image.
        truths: The ground truth file of each boundary map.
        names: Name of each image in the report; None uses the file names of the boundary maps without their suffix.
        thresholds: Number of evenly spaced thresholds; the benchmark uses 99.
        max_distance: Largest distance between two matched pixels, as a share of the image's diagonal.
        thinned: Whether the predicted boundaries are already lines; see `crispseg.metrics.count_boundaries`.
        workers: Number of processes that share the cores, each with an image of its own; 0 for this process alone.
        kept: Counts of images, to go on with and to add to; None keeps none.
        progress: Progress bar to update.

    Raises:
        InputError: If a file cannot be read, sizes differ, names repeat, or a number is out of range.
    """
    check_natural("workers", workers)
    settings = {"thresholds": thresholds, "max_distance": max_distance, "thinned": thinned}
    count = partial(_count_file, thresholds=thresholds, max_distance=max_distance, thinned=thinned)
    called = [path.stem for path in predictions] if names is None else names
    if len(set(called)) < len(predictions):
        repeated = next(name for name in called if list(called).count(name) > 1)
        raise InputError(f"several boundary maps are named {repeated!r}; expected unique names: pass names=")
    files = dict(zip(called, zip(predictions, truths, strict=True), strict=True))
    found = {name: _from_lists(kept.known(name)) for name in files if kept is not None and name in kept}
    left = {name: pair for name, pair in files.items() if name not in found}
    # Spawn fresh worker processes: a fork of this process would lack its threads.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(workers, mp_context=context) if workers > 1 else None
    try:
        mapped = executor.map if executor else map
        counts: Iterable[BoundaryCounts] = mapped(count, *zip(*left.values(), strict=True)) if left else ()
        if progress:
            counts = progress.track(counts, total=len(left), description="matching")
        for name, one in zip(left, counts, strict=True):
            found[name] = one
            if kept is not None:
                kept.add(name, {part: array.tolist() for part, array in vars(one).items()})
    finally:
        if executor:
            executor.shutdown(cancel_futures=True)
    return BoundaryReport(thresholds, {name: found[name] for name in files}, settings)


def _from_lists(counts: Counts) -> BoundaryCounts:
    return BoundaryCounts(**{part: np.array(values, np.int64) for part, values in counts.items()})


def _count_file(
    prediction: Path, truth: Path, *, thresholds: int, max_distance: float, thinned: bool
) -> BoundaryCounts:
    boundary, annotators = read_boundary(prediction)[0], read_boundaries(truth)
    with naming(prediction):
        return count_boundaries(boundary, annotators, thresholds=thresholds, max_distance=max_distance, thinned=thinned)
