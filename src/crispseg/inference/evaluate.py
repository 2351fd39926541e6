"""Measure what sharpening gains on labelled images."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from rich.progress import Progress

from crispseg.data import LabelledFolder, Prediction, Sample, read_prediction
from crispseg.data.files import match_files
from crispseg.data.prediction import PREDICTION_SUFFIXES
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError
from crispseg.evaluation import Accuracy, Comparison, trimap
from crispseg.inference.one_image import naming, sharpen_one
from crispseg.inference.sharpener import Sharpener

TRIMAP_WIDTH = 4


class LabelledPredictions:
    """Images with true labels and with what a network said of them.

    Args:
        images: Folder of images.
        labels: Folder of true label maps.
        predictions: Folder of label maps or scores.
        void: True label of pixels without a class.
        classes: Number of classes; None takes the number of score channels.
        scores: What floating-point scores in the files are.

    Raises:
        InputError: If folders do not fit together, or `classes` is None and the first prediction is a label map.
    """

    def __init__(
        self,
        images: Path,
        labels: Path,
        predictions: Path,
        *,
        void: int,
        classes: int | None,
        scores: Literal["logits", "probabilities"],
    ) -> None:
        self.folder = LabelledFolder(images, labels, void)
        self.files = match_files(self.folder.images, predictions, PREDICTION_SUFFIXES, "prediction")
        self.scores = scores
        self.classes = classes if classes is not None else self._count_classes()

    def __len__(self) -> int:
        return len(self.folder)

    def read(self, index: int) -> tuple[Sample, Prediction]:
        """Read image, true labels and prediction, and check that their labels are classes."""
        sample, prediction = self.folder.read(index), read_prediction(self.files[index], self.scores)
        known = sample.labels[sample.labels != IGNORE_INDEX]
        if known.numel() and int(known.max()) >= self.classes:
            raise InputError(
                f"label map {self.folder.labels[index]}: label {int(known.max())} is not one of the {self.classes} "
                "classes; give its number as void if it is one"
            )
        if max(prediction.classes) >= self.classes:
            raise InputError(
                f"prediction {self.files[index]}: label {max(prediction.classes)} is not one of the {self.classes} "
                "classes"
            )
        return sample, prediction

    def _count_classes(self) -> int:
        prediction = read_prediction(self.files[0], self.scores)
        if not prediction.from_scores:
            raise InputError(f"predictions are label maps ({self.files[0]}); give the number of classes")
        return len(prediction.classes)


def evaluate(
    data: LabelledPredictions,
    sharpener: Sharpener,
    *,
    settings: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Comparison:
    """Sharpen every prediction; compare the upsampled and the sharpened labels with the truth.

    Args:
        data: What to evaluate on.
        sharpener: Does the work, on the device where its weights are.
        settings: Noted in the report.
        progress: Shows how far it is.

    Raises:
        InputError: If a file cannot be read or does not fit.
    """
    comparison = Comparison(Accuracy.empty(data.classes), Accuracy.empty(data.classes), settings=settings or {})
    indices = range(len(data))
    for index in progress.track(indices, description="evaluating") if progress else indices:
        sample, prediction = data.read(index)
        with naming(data.files[index]):
            result = sharpen_one(sharpener, sample.image, prediction)
        band = trimap(sample.labels, TRIMAP_WIDTH, ignore_index=IGNORE_INDEX)
        for accuracy, labels in ((comparison.before, result.before), (comparison.after, result.after)):
            accuracy.add(labels, sample.labels, band)
        comparison.images += 1
        comparison.milliseconds += 1000 * result.seconds
    return comparison
