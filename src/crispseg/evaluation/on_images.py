"""Measure what sharpening gains on labelled images."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from rich.progress import Progress

from crispseg.data import LabelledPredictions
from crispseg.errors import InputError, naming
from crispseg.evaluation.kept_counts import Counts, KeptCounts, as_tensors, counted, counts_of, key_of
from crispseg.evaluation.report import Comparison
from crispseg.inference.crf import DenseCRF
from crispseg.inference.one_image import fitted_boundary, sharpen_one
from crispseg.inference.sharpener import Sharpener
from crispseg.metrics import METRICS, AbsentClasses, Accuracy, Truth, cldice_of
from crispseg.metrics.void_band import find_void_band
from crispseg.process_memory import settle
from crispseg.value_checks import check_count

_LOOKED_AT = 32
"""Number of label maps to inspect, spread evenly over the data set."""


def evaluate(
    data: LabelledPredictions,
    sharpener: Sharpener | None,
    *,
    crf: DenseCRF | None = None,
    settings: Mapping[str, Any] | None = None,
    absent_classes: AbsentClasses = "count",
    thin: Sequence[int] = (),
    every: int = 1,
    skip_every: int | None = None,
    kept: KeptCounts | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Sharpen every prediction and compare the labels before and after with the true labels.

    The labels before sharpening are those of the upsampled scores.

    Args:
        data: Any data set with predictions.
        sharpener: The sharpener, run on the device of its weights; None leaves the scores as they are.
        crf: A dense CRF to apply to the sharpened scores; None for no CRF.
        settings: Options to record in the report.
        absent_classes: How a predicted class without true pixels enters means: "count" or "ignore", as in `Accuracy`.
        thin: Thin classes, such as poles, of which to measure the clDice.
        every: Use every n-th image.
        skip_every: Leave out every n-th image: those that a search with `every` used. None leaves out none.
        kept: Counts of images, to go on with and to add to; None keeps none.
        progress: Progress bar to update.

    Raises:
        InputError: If a file cannot be read, its size does not fit, or an option is unknown.
    """
    indices = images_used(len(data), every, skip_every)
    metrics = (*METRICS, cldice_of(thin)) if thin else METRICS
    empty = partial(Accuracy, data.num_classes, metrics, absent_classes=absent_classes, mean_over=data.mean_over)
    band, names = void_band_of(data), data.class_names
    comparison = Comparison(empty(), empty(), settings=settings or {}, void_band=band, class_names=names)

    def count(index: int) -> Counts:
        sample, prediction = data[index]
        boundary = fitted_boundary(data.boundaries[index], sample.image)
        with naming(data.files[index]):
            result = sharpen_one(sample.image, prediction, sharpener, boundary, crf=crf)
        truth = Truth(sample.labels, data.num_classes, metrics, void_band=band)
        before, after = counts_of(result.before, truth), counts_of(result.after, truth)
        return {"before": before, "after": after, "milliseconds": 1000 * result.seconds}

    for index in progress.track(indices, description="evaluating") if progress else indices:
        found = counted(kept, key_of(data, index), partial(count, index))
        comparison.before.extend(as_tensors(found["before"]))
        comparison.after.extend(as_tensors(found["after"]))
        comparison.milliseconds += found["milliseconds"]
        settle()
    return comparison


def images_used(count: int, every: int = 1, skip_every: int | None = None) -> list[int]:
    """Return the indices of the images to use: every n-th of those that are not left out.

    Args:
        count: Number of images.
        every: Use every n-th image, from the first on.
        skip_every: Leave out every n-th image, from the first on; None leaves out none.

    Raises:
        InputError: If a number is out of range, or no image is left.

    Example:
        >>> images_used(7, every=2), images_used(7, skip_every=2), images_used(7, every=2, skip_every=2)
        ([0, 2, 4, 6], [1, 3, 5], [1, 5])
    """
    check_count("every", every)
    if skip_every is not None:
        check_count("skip_every", skip_every)
    kept = [index for index in range(count) if skip_every is None or index % skip_every]
    if not kept:
        raise InputError(f"skip_every is {skip_every} for {count} images, which leaves none; expected 2 or more")
    return kept[::every]


def void_band_of(data: LabelledPredictions) -> int:
    """Return the given width of the void band, or the width found in some of the label maps, in pixels."""
    if data.void_band is not None:
        return data.void_band
    count = min(len(data), _LOOKED_AT)
    return find_void_band(data.read_labels(index * len(data) // count) for index in range(count))
