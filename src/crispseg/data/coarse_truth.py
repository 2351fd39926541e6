"""True labels at a fraction of the resolution, in place of predictions: the scores of a network that is right."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, one_hot

from crispseg.data.labelled_predictions import LabelledPredictions
from crispseg.data.matching import PLAIN, Suffixes
from crispseg.data.prediction import Prediction
from crispseg.data.sample import IGNORE_INDEX, LabelledImages
from crispseg.errors import InputError
from crispseg.grid import Grid
from crispseg.metrics.void_band import VOID_BAND, filled
from crispseg.value_checks import check_count


class CoarseTruth(LabelledPredictions):
    """A data set whose predictions are its true labels, shrunk: what a perfect network of coarse output would predict.

    Sharpening should not harm such scores. A score is the share of a class among the labelled pixels of a cell.

    Args:
        dataset: Any data set of labelled images.
        factor: Pixels to a side of a cell: 8 for 1/8 of the resolution.
        num_classes: Number of classes; None takes that of the data set.
        void_band: As in `LabelledPredictions`.
        mean_over: As in `LabelledPredictions`.
        boundaries: As in `LabelledPredictions`.
        suffixes: By which the names of boundary maps differ from those of the images.

    Raises:
        InputError: If `factor` is below 1, the number of classes is not known, or as for `LabelledPredictions`.
    """

    def __init__(
        self,
        dataset: LabelledImages,
        factor: int,
        *,
        num_classes: int | None = None,
        void_band: int | None = None,
        mean_over: Sequence[int | str] | None = None,
        boundaries: Path | None = None,
        suffixes: Suffixes = PLAIN,
    ) -> None:
        check_count("factor", factor)
        self.factor = factor
        super().__init__(
            dataset,
            Path(),
            num_classes=num_classes,
            void_band=void_band,
            mean_over=mean_over,
            boundaries=boundaries,
            suffixes=suffixes,
        )

    def _find_files(self, found: Mapping[str, Path], predictions: Path, suffixes: Suffixes) -> list[Path]:
        return list(found.values())  # errors then name the image

    def _count_classes(self) -> int:
        raise InputError("the data set does not say its number of classes; expected num_classes (--num-classes)")

    def _predict(self, index: int, labels: Tensor) -> Prediction:
        classes = tuple(range(self.num_classes))
        scores = shrunk(labels, self.factor, self.num_classes)
        return Prediction(scores, "probabilities", classes, grid=Grid.of("stretched"))


def shrunk(labels: Tensor, factor: int, num_classes: int) -> Tensor:
    """Return the share of each class among the labelled pixels of each cell, as scores.

    Narrow bands of void between two labels are filled from both sides first. Cells without a labelled pixel get equal
    shares.

    Args:
        labels: (H, W) int64, `IGNORE_INDEX` for void.
        factor: Pixels to a side of a cell; cells at the far borders may be smaller.
        num_classes: Number of classes C.

    Returns:
        (C, ceil(H / factor), ceil(W / factor)) float32 probabilities.

    Example:
        >>> shrunk(torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1]]), 2, 2)[1]
        tensor([[0.0000, 0.7500]])
    """
    labels = filled(labels, VOID_BAND)
    known = labels != IGNORE_INDEX
    planes = (one_hot(labels.clamp(min=0), num_classes) * known[..., None]).permute(2, 0, 1).float()
    cells = (-(-labels.shape[0] // factor), -(-labels.shape[1] // factor))
    counted = adaptive_avg_pool2d(planes[None], cells)[0]
    total = counted.sum(0)
    return torch.where(total > 0, counted / total.clamp(min=1e-9), 1 / num_classes)
