"""Labelled images with what a network said of them."""

from collections.abc import Sequence
from pathlib import Path

from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.files import match_files, pair_files
from crispseg.data.folder import LabelledFolder
from crispseg.data.pairs import check_classes
from crispseg.data.prediction import PREDICTION_SUFFIXES, Prediction, ScoreKind, read_prediction
from crispseg.data.sample import IGNORE_INDEX, Sample
from crispseg.errors import InputError
from crispseg.grid import Grid


class LabelledPredictions:
    """Images with true labels and with what a network said of them.

    Args:
        images: Folder of images.
        labels: Folder of true label maps.
        predictions: Folder of label maps or scores.
        void: True label of pixels without a class.
        classes: Number of classes; None takes the number of score channels.
        scores: What floating-point scores in the files are.
        grid: How predictions lie on their images, as `read_prediction` takes it.
        boundaries: Folder of boundary maps, or the boundary map of the one image; None where there are none.

    Raises:
        InputError: If folders do not fit together, `classes` is not between 1 and 255, or it is None and the first
            prediction is a label map.
    """

    def __init__(
        self,
        images: Path,
        labels: Path,
        predictions: Path,
        *,
        void: int,
        classes: int | None,
        scores: ScoreKind,
        grid: Grid | str | None = None,
        boundaries: Path | None = None,
    ) -> None:
        self.folder = LabelledFolder(images, labels, void)
        self.files = match_files(self.folder.images, predictions, PREDICTION_SUFFIXES, "prediction")
        self.boundaries: Sequence[Path | None] = [None] * len(self.folder)
        if boundaries is not None:
            self.boundaries = pair_files(self.folder.images, boundaries, BOUNDARY_SUFFIXES, "boundary map")
        self.scores = scores
        self.grid = None if grid is None else Grid.of(grid)
        self.classes = classes if classes is not None else self._count_classes()
        if not 1 <= self.classes <= IGNORE_INDEX:
            raise InputError(f"{self.classes} classes; expected 1 to {IGNORE_INDEX}")

    def __len__(self) -> int:
        return len(self.folder)

    def read(self, index: int) -> tuple[Sample, Prediction]:
        """Read image, true labels and prediction, and check that their labels are classes."""
        sample, prediction = self.folder.read(index), read_prediction(self.files[index], self.scores, self.grid)
        check_classes(sample.labels, self.classes, self.folder.labels[index])
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
