"""Labelled images with the predictions of a network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import Dataset

from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.checked import checked_labels
from crispseg.data.class_names import classes_named
from crispseg.data.matching import PLAIN, Suffixes, match_files, pair_files
from crispseg.data.numbering import LIKE_LABELS, ZERO_BASED, Numbering, read_numbering
from crispseg.data.prediction import Prediction
from crispseg.data.prediction_files import PREDICTION_SUFFIXES, read_prediction
from crispseg.data.sample import IGNORE_INDEX, LabelledImages, Sample
from crispseg.errors import InputError
from crispseg.grid import Grid
from crispseg.scores import Scores
from crispseg.value_checks import check_natural

_MOST_CLASSES = 65_536
"""Number of labels that a 16-bit label map can hold. A larger one is a mistake, and would take memory."""
_WHITE = 255
"""The object in a mask of black and white."""


class LabelledPredictions(Dataset[tuple[Sample, Prediction]]):
    """A data set with a prediction for each image. Files are matched by the names of the images.

    Args:
        dataset: Any data set of labelled images: one of `crispseg.data`, or your own `LabelledImages`.
        predictions: Folder of label maps or scores.
        num_classes: Number of classes; None takes that of the data set, or else the number of score channels.
        scores: What floating-point scores in the files are, as `read_prediction` takes it.
        grid: How predictions lie on their images, as `read_prediction` takes it.
        prediction_numbering: What predictions that are label maps stand for: "0-based" (the numbers of the classes),
            "1-based", a table, as `LabelledFolder` takes it, or "like-labels" for the numbering of the true labels.
            Required if the label files of the data set hold other numbers than those of the classes.
        void_band: How wide, in pixels, a band of void between two labels may be to stand for a boundary: 5 for PASCAL
            VOC, 0 for none. None has it looked for in some of the label maps.
        mean_over: Classes that enter means over classes, by name or number; None for all. Leave out those of which
            there are too few images to say anything.
        boundaries: Folder of boundary maps, or the boundary map of the one image; None where there are none.
        suffixes: By which the names of predictions and boundary maps differ from those of the images.

    Raises:
        InputError: If files do not fit together, `num_classes` is not that of the data set, is not between 1 and
            65536, is unknown while the first prediction is a label map, or the labels of the data set are not classes;
            or if `mean_over` is empty or holds something else than a class.
        TypeError: If `dataset` is not a `LabelledImages`.
    """

    def __init__(
        self,
        dataset: LabelledImages,
        predictions: Path | str,
        *,
        num_classes: int | None = None,
        scores: Scores | None = None,
        grid: Grid | str | None = None,
        prediction_numbering: str | Path | None = None,
        void_band: int | None = None,
        mean_over: Sequence[int | str] | None = None,
        boundaries: Path | str | None = None,
        suffixes: Suffixes = PLAIN,
    ) -> None:
        if not isinstance(dataset, LabelledImages):
            raise TypeError(
                f"dataset is {dataset!r}; expected a data set of crispseg.data, such as LabelledFolder(images, labels),"
                " or your own subclass of LabelledImages"
            )
        found = dataset.named_paths
        self.files = self._find_files(found, Path(predictions), suffixes)
        self.boundaries: Sequence[Path | None] = [None] * len(dataset)
        if boundaries is not None:
            self.boundaries = pair_files(found, Path(boundaries), BOUNDARY_SUFFIXES, "boundary map", suffixes.boundary)
        self.scores = scores
        self.grid = None if grid is None else Grid.of(grid)
        if void_band is not None:
            check_natural("void_band", void_band)
        self.void_band = void_band
        known = dataset.num_classes if num_classes is None else num_classes
        self.num_classes = self._count_classes() if known is None else known
        if not 1 <= self.num_classes <= _MOST_CLASSES:
            raise InputError(f"{self.num_classes} classes; expected 1 to {_MOST_CLASSES}")
        self.dataset = dataset.expecting(self.num_classes)
        self.prediction_numbering = self._read_numbering(prediction_numbering)
        self.mean_over = None if mean_over is None else self.classes_named("mean_over", mean_over)

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def class_names(self) -> Sequence[str]:
        """Names of the classes, as the data set gives them."""
        return self.dataset.class_names

    def classes_named(self, option: str, given: Sequence[int | str]) -> tuple[int, ...]:
        """Return the classes that were given for an option, by name or by number.

        Raises:
            InputError: If none are given, or one is not a class.
        """
        return classes_named(option, given, self.class_names, self.num_classes)

    @property
    def read_from(self) -> list[Path]:
        """All files that are read."""
        maps = [path for path in self.boundaries if path is not None]
        return list(dict.fromkeys([*self.dataset.files, *self.files, *maps]))

    def read_labels(self, index: int) -> Tensor:
        """Return the true labels of one image alone, (H, W) int64 classes."""
        return self._checked(self.dataset.read_labels(index), index)

    def __getitem__(self, index: int) -> tuple[Sample, Prediction]:
        """Return image, true labels and prediction, whose labels are checked to be classes.

        Raises:
            InputError: If a file cannot be read or does not fit, or a label is not one of the classes.
        """
        sample = self.dataset[index]
        sample = sample._replace(labels=self._checked(sample.labels, index))
        prediction = self._predict(index, sample.labels)
        if not prediction.from_scores:
            prediction = self._numbered(prediction, self.files[index])
        if max(prediction.classes) >= self.num_classes:
            raise InputError(
                f"prediction {self.files[index]}: label {max(prediction.classes)} is not one of the {self.num_classes} "
                f"classes; expected 0 to {self.num_classes - 1} in every pixel: give the number of all classes "
                "(--num-classes), or a table of other numbers (--prediction-numbering)"
            )
        return sample, prediction

    def _find_files(self, found: Mapping[str, Path], predictions: Path, suffixes: Suffixes) -> list[Path]:
        """Return the file of the prediction of each image."""
        return match_files(found, predictions, PREDICTION_SUFFIXES, "prediction", suffixes.prediction)

    def _predict(self, index: int, labels: Tensor) -> Prediction:
        """Return the prediction of an image with (H, W) true labels."""
        return read_prediction(self.files[index], self.scores, self.grid)

    def _checked(self, labels: Tensor, index: int) -> Tensor:
        name = self.dataset.image_names[index]
        return checked_labels(labels, name, self.num_classes, self.dataset.ignore_index)

    def _read_numbering(self, said: str | Path | None) -> Numbering | None:
        if said == LIKE_LABELS:
            return self.dataset.numbering
        return None if said is None else read_numbering(said)

    def _numbered(self, prediction: Prediction, path: Path) -> Prediction:
        """Return a label map with its labels converted to classes."""
        numbering, true = self.prediction_numbering, self.dataset.numbering
        if numbering is None:
            if true is not None and true.name != ZERO_BASED:
                raise InputError(
                    f"prediction {path}: is a label map, and true labels are numbered by {true.name}; state how it is "
                    f"numbered: in the same way (--prediction-numbering {LIKE_LABELS}), or by classes from 0 "
                    f"(--prediction-numbering {ZERO_BASED})"
                )
            if self.num_classes != 2 or prediction.classes not in ((0, _WHITE), (_WHITE,)):
                return prediction
            numbering = Numbering("a mask of 0 and 255", table={0: 0, _WHITE: 1})  # as true ones are read
        classes = [numbering.class_of(label) for label in prediction.classes]
        for label, class_ in zip(prediction.classes, classes, strict=True):
            if class_ in (None, IGNORE_INDEX):
                raise InputError(
                    f"prediction {path}: label {label} is not a class in {numbering.name}; expected a class in "
                    "every pixel"
                )
        index = torch.searchsorted(torch.tensor(prediction.classes), prediction.given)
        return replace(Prediction.of_labels(torch.tensor(classes)[index]), grid=prediction.grid)

    def _count_classes(self) -> int:
        prediction = read_prediction(self.files[0], self.scores)
        if not prediction.from_scores:
            raise InputError(
                f"predictions are label maps ({self.files[0]}); give the number of classes (--num-classes)"
            )
        return len(prediction.classes)
