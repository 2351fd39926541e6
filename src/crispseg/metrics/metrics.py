"""The metrics of segmentation. Each counts an image in whole numbers; their sum says what it says of a data set."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from crispseg.checks import check_choice
from crispseg.metrics.confusion import count_confusions, iou, mean_iou, mean_where
from crispseg.metrics.contours import contour, dilated_by_class, has_class, near_other_label, square_maximum
from crispseg.metrics.trimap_band import trimap
from crispseg.metrics.void_band import filled
from crispseg.metrics.void_band import void_band as band_of

BOUNDARY_IOU_WIDTH = 0.02
"""How far from its contour a mask is compared by the Boundary IoU, in diagonals of the image."""
BOUNDARY_F_TOLERANCE = 0.0075
"""How far predicted and true contours may lie apart for the boundary F-score, in diagonals of the image."""


VOID = -1
"""What metrics see of pixels without a true class, in true and in predicted labels."""


class Metric(ABC):
    """A way to count an image, and to turn sums of such counts into percentages."""

    @property
    def of_boundaries(self) -> bool:
        """Whether pixels near boundaries alone are counted."""
        return True

    @abstractmethod
    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> Tensor | None:
        """What belongs to the truth alone, of (H, W) true labels: computed once for all predictions of an image."""

    @abstractmethod
    def count(
        self, predicted: Tensor, labels: Tensor, prepared: Tensor | None, num_classes: int, void_band: int = 0
    ) -> Tensor:
        """Count a prediction.

        Args:
            predicted: (H, W) int64 labels, `VOID` where the truth is.
            labels: (H, W) int64 true labels 0 … C - 1, or `VOID`.
            prepared: What `prepare` gave of them.
            num_classes: Number of classes C.
            void_band: How wide a band of void may be that stands for a boundary, as `prepare` was told.

        Returns:
            (C, k) int64.
        """

    @abstractmethod
    def per_class(self, counts: Tensor) -> Tensor:
        """(…, C, k) counts to (…, C) percentages; NaN for a class of which nothing was counted."""

    @abstractmethod
    def mean(self, counts: Tensor) -> Tensor:
        """(…, C, k) counts to (…) percentages over the classes that have true pixels; NaN when nothing was counted."""


@dataclass(frozen=True)
class MeanIoU(Metric):
    """PASCAL's intersection over union, over all pixels or over those of a trimap.

    Args:
        width: Of the trimap in pixels to each side; None for all pixels.
    """

    width: int | None = None

    @property
    def of_boundaries(self) -> bool:
        return self.width is not None

    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> Tensor | None:
        return None if self.width is None else trimap(labels, self.width, ignore_index=VOID, void_band=void_band)

    def count(
        self, predicted: Tensor, labels: Tensor, prepared: Tensor | None, num_classes: int, void_band: int = 0
    ) -> Tensor:
        return count_confusions(predicted, labels, num_classes, prepared)

    def per_class(self, counts: Tensor) -> Tensor:
        return iou(counts)

    def mean(self, counts: Tensor) -> Tensor:
        return mean_iou(counts)


class PixelAccuracy(MeanIoU):
    """The share of pixels whose label is right; of a class, the share of its true pixels (its recall)."""

    def per_class(self, counts: Tensor) -> Tensor:
        return 100 * counts.diagonal(dim1=-2, dim2=-1).double() / counts.sum(-1)

    def mean(self, counts: Tensor) -> Tensor:
        return 100 * counts.diagonal(dim1=-2, dim2=-1).double().sum(-1) / counts.sum((-1, -2))


@dataclass(frozen=True)
class BoundaryIoU(Metric):
    """Intersection over union of those pixels of a predicted and a true mask that lie near the contour of their mask.

    The measure of Cheng et al. (2021, https://arxiv.org/abs/2103.16562), for every class of a label map: near is within
    a square, and outside the image lies no mask. Void pixels are in no mask and make no contour, but for a band of void
    between two labels: what is near the band is near the contour, in the truth and in a prediction that has two labels
    on its sides.

    Args:
        width: How near, in diagonals of the image.
    """

    width: float = BOUNDARY_IOU_WIDTH

    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> Tensor:
        distance = max(1, round(self.width * math.hypot(*labels.shape)))
        near = near_other_label(labels, distance, ignore_index=VOID)
        if void_band:
            near |= square_maximum(band_of(labels, void_band), distance) & (labels != VOID)
        return near

    def count(
        self, predicted: Tensor, labels: Tensor, prepared: Tensor | None, num_classes: int, void_band: int = 0
    ) -> Tensor:
        assert prepared is not None
        near = self.prepare(predicted, num_classes, void_band)
        said, true = _bincount(predicted, near, num_classes), _bincount(labels, prepared, num_classes)
        both = _bincount(labels, prepared & near & (predicted == labels), num_classes)
        return torch.stack([both, said + true - both, true], 1)

    def per_class(self, counts: Tensor) -> Tensor:
        return 100 * counts[..., 0].double() / counts[..., 1]

    def mean(self, counts: Tensor) -> Tensor:
        return mean_where(self.per_class(counts), counts[..., 2] > 0)


@dataclass(frozen=True)
class BoundaryF(Metric):
    """Harmonic mean of two shares: of predicted contour pixels near true ones of their class, and the other way round.

    The contour-based measure of Csurka et al. (2013) and Perazzi et al. (2016), its pixels counted over the data set.
    Contours lie between two labels; next to void and at the border of the image there is none. A band of void between
    two labels is closed from both sides, in the truth and in the prediction, whose labels below it play no part: the
    contour is its middle, and half of its width is added to the tolerance, which is so counted from its edge.

    Args:
        tolerance: Radius of the disc that is near, in diagonals of the image.
    """

    tolerance: float = BOUNDARY_F_TOLERANCE

    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> Tensor:
        labels = filled(labels, void_band)
        marked = contour(labels, ignore_index=VOID)
        radius = self.tolerance * math.hypot(*labels.shape) + void_band / 2
        return torch.cat([marked[None], labels[None], dilated_by_class(marked, labels, radius, num_classes)])

    def count(
        self, predicted: Tensor, labels: Tensor, prepared: Tensor | None, num_classes: int, void_band: int = 0
    ) -> Tensor:
        assert prepared is not None
        true, labels, near_true = prepared[0].bool(), prepared[1], prepared[2:]
        of_prediction = self.prepare(predicted, num_classes, void_band)
        said, predicted, near_said = of_prediction[0].bool(), of_prediction[1], of_prediction[2:]
        counted = (
            (predicted, said & has_class(near_true, predicted)),
            (predicted, said),
            (labels, true & has_class(near_said, labels)),
            (labels, true),
        )
        return torch.stack([_bincount(values, where, num_classes) for values, where in counted], 1)

    def per_class(self, counts: Tensor) -> Tensor:
        right, predicted, found, true = counts.double().unbind(-1)
        missed = (right == 0) & (predicted + true > 0)  # F is 0; a class that is neither true nor predicted has none
        return 200 * right * found / (right * true + found * predicted + missed)

    def mean(self, counts: Tensor) -> Tensor:
        return mean_where(self.per_class(counts), counts[..., 3] > 0)


def _bincount(labels: Tensor, where: Tensor, num_classes: int) -> Tensor:
    return torch.bincount(labels[where], minlength=num_classes)


_METRICS: dict[str, Metric] = {
    "miou": MeanIoU(),
    "pixel_accuracy": PixelAccuracy(),
    **{f"trimap_{width}": MeanIoU(width) for width in (1, 2, 4, 8, 16)},
    "boundary_iou": BoundaryIoU(),
    "boundary_f": BoundaryF(),
}

METRICS = tuple(_METRICS)
"""Names of the metrics, in the order in which they are shown."""


def metric_named(name: str) -> Metric:
    """The metric of that name.

    Raises:
        InputError: If there is none.
    """
    check_choice("metric", name, METRICS)
    return _METRICS[name]
