"""Labelled images with what a network said of them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from crispseg.checks import check_natural
from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.folder import LabelledFolder
from crispseg.data.matching import PLAIN, Suffixes, match_files, pair_files
from crispseg.data.numbering import ZERO_BASED, Numbering, read_numbering
from crispseg.data.prediction import PREDICTION_SUFFIXES, Prediction, ScoreKind, read_prediction
from crispseg.data.sample import IGNORE_INDEX, Sample
from crispseg.errors import InputError
from crispseg.grid import Grid

_MOST_CLASSES = 65_536
"""As many labels as a label map of 16 bits holds. A larger number is a mistake, and would be allocated for."""
_WHITE = 255
"""The object in a mask of black and white."""


class LabelledPredictions:
    """Images with true labels and with what a network said of them.

    Args:
        images: Folder of images.
        labels: Folder of true label maps.
        predictions: Folder of label maps or scores.
        void: True label or labels of pixels without a class; None where there is none.
        num_classes: Number of classes; None takes the number of score channels.
        scores: What floating-point scores in the files are, as `read_prediction` takes it.
        grid: How predictions lie on their images, as `read_prediction` takes it.
        numbering: What true labels stand for: "0-based", "1-based" or a table, as `LabelledFolder` takes it.
        prediction_numbering: The same of predictions that are label maps; to be said where `numbering` is.
        void_band: How wide, in pixels, a band of void between two labels may be to stand for a boundary: 5 for PASCAL
            VOC, 0 for none. None has it looked for in some of the label maps.
        boundaries: Folder of boundary maps, or the boundary map of the one image; None where there are none.
        suffixes: By which the names of images, labels, predictions and boundary maps differ.

    Raises:
        InputError: If folders do not fit together, `num_classes` is not between 1 and 65536, or it is None and the
            first prediction is a label map, or what is said of the labels makes no sense.
    """

    def __init__(
        self,
        images: Path,
        labels: Path,
        predictions: Path,
        *,
        void: int | list[int] | None = None,
        num_classes: int | None = None,
        scores: ScoreKind | None = None,
        grid: Grid | str | None = None,
        numbering: str | Path | None = None,
        prediction_numbering: str | Path | None = None,
        void_band: int | None = None,
        boundaries: Path | None = None,
        suffixes: Suffixes = PLAIN,
    ) -> None:
        self.folder = LabelledFolder(images, labels, void, numbering=numbering, suffixes=suffixes)
        found = self.folder.found
        self.files = match_files(found, predictions, PREDICTION_SUFFIXES, "prediction", suffixes.prediction)
        self.boundaries: Sequence[Path | None] = [None] * len(self.folder)
        if boundaries is not None:
            self.boundaries = pair_files(found, boundaries, BOUNDARY_SUFFIXES, "boundary map", suffixes.boundary)
        self.scores = scores
        self.grid = None if grid is None else Grid.of(grid)
        if void_band is not None:
            check_natural("void_band", void_band)
        self.void_band = void_band
        self.num_classes = num_classes if num_classes is not None else self._count_classes()
        if not 1 <= self.num_classes <= _MOST_CLASSES:
            raise InputError(f"{self.num_classes} classes; expected 1 to {_MOST_CLASSES}")
        self.folder = self.folder.expecting(self.num_classes)
        self.prediction_numbering = None if prediction_numbering is None else read_numbering(prediction_numbering)

    def __len__(self) -> int:
        return len(self.folder)

    @property
    def read_from(self) -> list[Path]:
        """All files that are read."""
        maps = [path for path in self.boundaries if path is not None]
        return [*self.folder.images, *self.folder.labels, *self.files, *maps]

    def read(self, index: int) -> tuple[Sample, Prediction]:
        """Read image, true labels and prediction, and check that their labels are classes."""
        sample, prediction = self.folder.read(index), read_prediction(self.files[index], self.scores, self.grid)
        if not prediction.from_scores:
            prediction = self._numbered(prediction, self.files[index])
        if max(prediction.classes) >= self.num_classes:
            raise InputError(
                f"prediction {self.files[index]}: label {max(prediction.classes)} is not one of the {self.num_classes} "
                "classes"
            )
        return sample, prediction

    def _numbered(self, prediction: Prediction, path: Path) -> Prediction:
        """A label map with its labels as classes."""
        numbering, true = self.prediction_numbering, self.folder.truth.numbering
        if numbering is None:
            if true.name != ZERO_BASED:
                raise InputError(
                    f"prediction {path}: a label map, while true labels are numbered by {true.name}; say whether "
                    f"predicted ones are too (--prediction-numbering {true.name}) or are numbers of classes "
                    f"(--prediction-numbering {ZERO_BASED})"
                )
            if self.num_classes != 2 or prediction.classes not in ((0, _WHITE), (_WHITE,)):
                return prediction
            numbering = Numbering("a mask of 0 and 255", table={0: 0, _WHITE: 1})  # as true ones are read
        num_classes = [numbering.class_of(label) for label in prediction.classes]
        for label, class_ in zip(prediction.classes, num_classes, strict=True):
            if class_ in (None, IGNORE_INDEX):
                raise InputError(
                    f"prediction {path}: label {label} is no class by {numbering.name}; expected a class in every pixel"
                )
        index = torch.searchsorted(torch.tensor(prediction.classes), prediction.given)
        return replace(Prediction.of_labels(torch.tensor(num_classes)[index]), grid=prediction.grid)

    def _count_classes(self) -> int:
        prediction = read_prediction(self.files[0], self.scores)
        if not prediction.from_scores:
            raise InputError(f"predictions are label maps ({self.files[0]}); give the number of classes")
        return len(prediction.classes)
