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
from crispseg.metrics import Accuracy, Truth
from crispseg.process_memory import settle


def evaluate(
    data: LabelledPredictions,
    sharpener: Sharpener | None,
    *,
    crf: DenseCRF | None = None,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Sharpen every prediction; compare the upsampled and the sharpened labels with the truth.

    Args:
        data: Any data set with predictions.
        sharpener: Does the work, on the device where its weights are; None leaves the scores as they are.
        crf: Takes the sharpened scores; None for no CRF.
        settings: Noted in the report.
        progress: Shows how far it is.

    Raises:
        InputError: If a file cannot be read or does not fit.
    """
    band, before = void_band_of(data), Accuracy(data.num_classes)
    comparison = Comparison(
        before, Accuracy(data.num_classes), settings=settings or {}, void_band=band, class_names=data.class_names
    )
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
