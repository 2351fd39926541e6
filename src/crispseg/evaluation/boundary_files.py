"""The boundary benchmark over files, several images at a time."""

import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from rich.progress import Progress

from crispseg.checks import check_count
from crispseg.data.boundary import read_boundary
from crispseg.data.bsds500 import read_boundaries
from crispseg.defaults import MAX_DISTANCE, THRESHOLDS
from crispseg.errors import InputError, naming
from crispseg.evaluation.boundary_report import BoundaryReport
from crispseg.metrics.boundaries import BoundaryCounts, count_boundaries


def evaluate_boundaries(
    predictions: Sequence[Path],
    truths: Sequence[Path],
    *,
    names: Sequence[str] | None = None,
    thresholds: int = THRESHOLDS,
    max_distance: float = MAX_DISTANCE,
    thinned: bool = False,
    processes: int = 1,
    progress: Progress | None = None,
) -> BoundaryReport:
    """Measure boundary maps against the ground truth of BSDS500. Needs SciPy (extra `data`).

    Args:
        predictions: Boundary maps, as `crispseg.data.read_boundary` reads them, of the size of their images.
        truths: The ground truth file of each.
        names: By which the report knows the images; None takes those of the files of the boundary maps, without ending.
        thresholds: Number of evenly spaced thresholds; the benchmark takes 99.
        max_distance: How far two matched pixels may lie apart, in diagonals of the image.
        thinned: Whether the predicted boundaries are lines already; see `crispseg.evaluation.count_boundaries`.
        processes: How many images are counted at a time.
        progress: Shows how far it is.

    Raises:
        InputError: If a file cannot be read or does not fit, or a number makes no sense.
    """
    check_count("processes", processes)
    settings = {"thresholds": thresholds, "max_distance": max_distance, "thinned": thinned}
    count = partial(_count_file, thresholds=thresholds, max_distance=max_distance, thinned=thinned)
    report = BoundaryReport(thresholds, settings=settings)
    # A process of its own for each worker, not a copy of this one, whose threads would be missing in it.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, mp_context=context) if processes > 1 else None
    try:
        mapped = executor.map if executor else map
        counts: Iterable[BoundaryCounts] = mapped(count, predictions, truths)
        if progress:
            counts = progress.track(counts, total=len(predictions), description="matching")
        called = [path.stem for path in predictions] if names is None else names
        if len(set(called)) < len(predictions):
            raise InputError("boundary maps of several folders have the same names; give names that tell them apart")
        report.images |= dict(zip(called, counts, strict=True))
    finally:
        if executor:
            executor.shutdown(cancel_futures=True)
    return report


def _count_file(
    prediction: Path, truth: Path, *, thresholds: int, max_distance: float, thinned: bool
) -> BoundaryCounts:
    boundary, annotators = read_boundary(prediction)[0], read_boundaries(truth)
    with naming(prediction):
        return count_boundaries(boundary, annotators, thresholds=thresholds, max_distance=max_distance, thinned=thinned)
