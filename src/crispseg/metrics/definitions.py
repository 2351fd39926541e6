"""The definition of each metric of segmentations: whole numbers counted in an image, and percentages of their sums."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from crispseg.checks import check_choice
from crispseg.defaults import AbsentClasses
from crispseg.metrics.contours import ClassPlanes, contour, dilated_by_class, near_other_label, square_maximum
from crispseg.metrics.trimap_band import trimap
from crispseg.metrics.void_band import filled
from crispseg.metrics.void_band import void_band as band_of

BOUNDARY_IOU_WIDTH = 0.02
"""How far from its contour a mask is compared by the Boundary IoU, in diagonals of the image."""
BOUNDARY_F_TOLERANCE = 0.0075
"""How far predicted and true contours may lie apart for the boundary F-score, in diagonals of the image."""

VOID = -1
"""The label of pixels without a true class, in true and in predicted labels."""

P = TypeVar("P")


class MetricDefinition(ABC, Generic[P]):
    """A way to count an image, and to turn sums of such counts into percentages."""

    @property
    def of_boundaries(self) -> bool:
        """Whether only pixels near boundaries are counted."""
        return True

    @abstractmethod
    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> P:
        """Compute what depends on (H, W) true labels alone, once for all predictions of an image."""

    @abstractmethod
    def count(self, predicted: Tensor, labels: Tensor, prepared: P, num_classes: int, void_band: int = 0) -> Tensor:
        """Count a prediction.

        Args:
            predicted: (H, W) int64 labels, `VOID` where the truth is.
            labels: (H, W) int64 true labels 0 … C - 1, or `VOID`.
            prepared: What `prepare` returned for `labels`.
            num_classes: Number of classes C.
            void_band: Widest band of void that stands for a boundary, in pixels; the value that `prepare` was given.

        Returns:
            (C, k) int64.
        """

    @abstractmethod
    def per_class(self, counts: Tensor) -> Tensor:
        """Return (…, C) percentages of (…, C, k) counts; NaN for a class that is neither true nor predicted."""

    @abstractmethod
    def has_true(self, counts: Tensor) -> Tensor:
        """Return (…, C) bool of (…, C, k) counts: the classes with true pixels among those counted."""

    def mean(self, counts: Tensor, absent_classes: AbsentClasses = "count") -> Tensor:
        """Return the (…) mean over classes of (…, C, k) counts, in percent; NaN when nothing was counted."""
        values = self.per_class(counts)
        included = self.has_true(counts) if absent_classes == "ignore" else ~values.isnan()
        return values.where(included, 0).sum(-1) / included.sum(-1)


class _OutcomesDefinition(MetricDefinition[P]):
    """Intersection over union, of (…, C, 3) true positives, false positives and false negatives."""

    def per_class(self, counts: Tensor) -> Tensor:
        return 100 * counts[..., 0].double() / counts.sum(-1)

    def has_true(self, counts: Tensor) -> Tensor:
        return counts[..., 0] + counts[..., 2] > 0


@dataclass(frozen=True)
class IoUDefinition(_OutcomesDefinition[Tensor | None]):
    """Intersection over union, over all pixels or over those of a trimap.

    Args:
        width: Of the trimap to each side, as `distance_in_pixels` takes it; None for all pixels.
    """

    width: float | None = None

    @property
    def of_boundaries(self) -> bool:
        return self.width is not None

    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> Tensor | None:
        if self.width is None:
            return None
        return trimap(labels, distance_in_pixels(self.width, labels), ignore_index=VOID, void_band=void_band)

    def count(
        self, predicted: Tensor, labels: Tensor, prepared: Tensor | None, num_classes: int, void_band: int = 0
    ) -> Tensor:
        known = labels != VOID if prepared is None else prepared
        return _outcomes(predicted, known, labels, known, num_classes)


class PixelAccuracyDefinition(IoUDefinition):
    """The share of pixels whose label is right; of a class, the share of its true pixels (its recall)."""

    def per_class(self, counts: Tensor) -> Tensor:
        return 100 * counts[..., 0].double() / (counts[..., 0] + counts[..., 2])

    def mean(self, counts: Tensor, absent_classes: AbsentClasses = "count") -> Tensor:
        right = counts[..., 0].double().sum(-1)
        return 100 * right / (counts[..., 0] + counts[..., 2]).sum(-1)


@dataclass(frozen=True)
class BoundaryIoUDefinition(_OutcomesDefinition[Tensor]):
    """Intersection over union of the pixels of a predicted and a true mask that lie near the contour of their own mask.

    The measure of Cheng et al. (2021, https://arxiv.org/abs/2103.16562), for every class of a label map: near is within
    a square, and the border of the image bounds a mask, as in the authors' code. Void pixels are in no mask and make no
    contour, except for a band of void between two labels: pixels near the band count as near the contour, in the truth
    and in a prediction that has two labels on its sides.

    Args:
        width: How near, as `distance_in_pixels` takes it.
    """

    width: float = BOUNDARY_IOU_WIDTH

    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> Tensor:
        distance = distance_in_pixels(self.width, labels)
        near = near_other_label(labels, distance, ignore_index=VOID)
        if void_band:
            near |= square_maximum(band_of(labels, void_band), distance) & (labels != VOID)
        return near

    def count(
        self, predicted: Tensor, labels: Tensor, prepared: Tensor, num_classes: int, void_band: int = 0
    ) -> Tensor:
        near = self.prepare(predicted, num_classes, void_band)
        return _outcomes(predicted, near, labels, prepared, num_classes)


class Contours(NamedTuple):
    """The contours of a label map, for the boundary F-score."""

    marked: Tensor
    """(H, W) bool: the pixels on a contour."""
    labels: Tensor
    """(H, W) int64: labels with the band of void closed."""
    near: ClassPlanes
    """The classes with a contour within the tolerance of each pixel."""


@dataclass(frozen=True)
class BoundaryFDefinition(MetricDefinition[Contours]):
    """Harmonic mean of two shares: of predicted contour pixels near true ones of their class, and the other way round.

    The contour-based measure of Csurka et al. (2013) and Perazzi et al. (2016), its pixels counted over the data set.
    Contours lie between two labels; next to void and at the border of the image there is none. A band of void between
    two labels is closed from both sides, in the truth and in the prediction, whose labels below it play no part: the
    contour is its middle, and half of its width is added to the tolerance, which so counts from its edge.

    Args:
        tolerance: Radius of the disc that is near: a whole number of pixels, or a share of the image's diagonal.
    """

    tolerance: float = BOUNDARY_F_TOLERANCE

    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> Contours:
        labels = filled(labels, void_band)
        marked = contour(labels, ignore_index=VOID)
        pixels = isinstance(self.tolerance, int)
        radius = self.tolerance * (1 if pixels else math.hypot(*labels.shape)) + void_band / 2
        return Contours(marked, labels, dilated_by_class(marked, labels, radius, num_classes))

    def count(
        self, predicted: Tensor, labels: Tensor, prepared: Contours, num_classes: int, void_band: int = 0
    ) -> Tensor:
        true, said = prepared, self.prepare(predicted, num_classes, void_band)
        counted = (
            (said.labels, said.marked & true.near.hold(said.labels)),
            (said.labels, said.marked),
            (true.labels, true.marked & said.near.hold(true.labels)),
            (true.labels, true.marked),
        )
        return torch.stack([_bincount(values, where, num_classes) for values, where in counted], 1)

    def per_class(self, counts: Tensor) -> Tensor:
        right, predicted, found, true = counts.double().unbind(-1)
        missed = (right == 0) & (predicted + true > 0)  # F is 0; a class that is neither true nor predicted has none
        return 200 * right * found / (right * true + found * predicted + missed)

    def has_true(self, counts: Tensor) -> Tensor:
        return counts[..., 3] > 0


def distance_in_pixels(width: float, labels: Tensor) -> int:
    """Return a distance in whole pixels: an int is one already, a float is a share of the diagonal of (H, W) labels.

    A share is rounded to at least one pixel, as the authors of the Boundary IoU do.
    """
    return width if isinstance(width, int) else max(1, round(width * math.hypot(*labels.shape)))


def _outcomes(predicted: Tensor, predicted_where: Tensor, labels: Tensor, where: Tensor, num_classes: int) -> Tensor:
    """(C, 3) true positives, false positives and false negatives of two masks' labels."""
    right = _bincount(labels, predicted_where & where & (predicted == labels), num_classes)
    said, true = _bincount(predicted, predicted_where, num_classes), _bincount(labels, where, num_classes)
    return torch.stack([right, said - right, true - right], 1)


def _bincount(labels: Tensor, where: Tensor, num_classes: int) -> Tensor:
    return torch.bincount(labels[where], minlength=num_classes)


_DEFINITIONS: dict[str, MetricDefinition[Any]] = {
    "miou": IoUDefinition(),
    "pixel_accuracy": PixelAccuracyDefinition(),
    **{f"trimap_{width}": IoUDefinition(width) for width in (1, 2, 4, 8, 16)},
    "boundary_iou": BoundaryIoUDefinition(),
    "boundary_f": BoundaryFDefinition(),
}

METRICS = tuple(_DEFINITIONS)
"""Names of the metrics, in the order in which they are shown."""


def definition_named(name: str) -> MetricDefinition[Any]:
    """Return the definition of the metric of that name.

    Raises:
        InputError: If there is none.
    """
    check_choice("metric", name, METRICS)
    return _DEFINITIONS[name]
