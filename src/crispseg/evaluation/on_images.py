"""Measure what sharpening gains on labelled images."""

from collections.abc import Mapping
from typing import Any

from rich.progress import Progress

from crispseg.data import LabelledPredictions
from crispseg.errors import naming
from crispseg.evaluation.report import Comparison
from crispseg.evaluation.void_bands import void_band_of
from crispseg.inference.crf import DenseCRF
from crispseg.inference.one_image import fitted_boundary, sharpen_one
from crispseg.inference.sharpener import Sharpener
from crispseg.metrics import AbsentClasses, Accuracy, Truth
from crispseg.process_memory import settle


def evaluate(
    data: LabelledPredictions,
    sharpener: Sharpener | None,
    *,
    crf: DenseCRF | None = None,
    settings: Mapping[str, Any] | None = None,
    absent_classes: AbsentClasses = "count",
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
        progress: Progress bar to update.

    Raises:
        InputError: If a file cannot be read, its size does not fit, or an option is unknown.
    """
    before, after = (Accuracy(data.num_classes, absent_classes=absent_classes) for _ in range(2))
    band, names = void_band_of(data), data.class_names
    comparison = Comparison(before, after, settings=settings or {}, void_band=band, class_names=names)
    indices = range(len(data))
    for index in progress.track(indices, description="evaluating") if progress else indices:
        sample, prediction = data[index]
        boundary = fitted_boundary(data.boundaries[index], sample.image)
        with naming(data.files[index]):
            result = sharpen_one(sharpener, sample.image, prediction, boundary, crf=crf)
        truth = Truth(sample.labels, data.num_classes, void_band=band)
        comparison.before.add(result.before, truth)
        comparison.after.add(result.after, truth)
        comparison.milliseconds += 1000 * result.seconds
        settle()
    return comparison
