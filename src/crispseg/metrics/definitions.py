"""Definitions of the segmentation metrics: counts of one image, and percentages computed from sums of counts."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from torch import Tensor

from crispseg.defaults import AbsentClasses
from crispseg.metrics.contours import ClassPlanes, contour, dilated_by_class, near_other_label, square_maximum
from crispseg.metrics.trimap_band import trimap
from crispseg.metrics.void_band import filled
from crispseg.metrics.void_band import void_band as band_of

BOUNDARY_IOU_WIDTH = 0.02
"""Distance from the contour within which the Boundary IoU compares masks, as a share of the image's diagonal."""
BOUNDARY_F_TOLERANCE = 0.0075
"""Largest distance between matching contours in the boundary F-score, as a share of the image's diagonal."""

VOID = -1
"""Label of pixels without a true class, in true and in predicted labels."""

P = TypeVar("P")


class MetricDefinition(ABC, Generic[P]):
    """The definition of a metric: how to count an image, and how to turn sums of counts into percentages."""

    @property
    def of_boundaries(self) -> bool:
        """Whether only pixels near boundaries are counted."""
        return True

    @abstractmethod
    def prepare(self, labels: Tensor, num_classes: int, void_band: int = 0) -> P:
        """Compute everything that depends only on the (H, W) true labels, once for all predictions of an image."""

    @abstractmethod
    def count(self, predicted: Tensor, labels: Tensor, prepared: P, num_classes: int, void_band: int = 0) -> Tensor:
        """Count a prediction.

        Args:
            predicted: (H, W) int64 labels, `VOID` wherever `labels` is `VOID`.
            labels: (H, W) int64 true labels 0 … C - 1, or `VOID`.
            prepared: What `prepare` returned for `labels`.
            num_classes: Number of classes C.
            void_band: Widest band of void that counts as a boundary, in pixels; the same value as for `prepare`.

        Returns:
            (C, k) int64.
        """

    @abstractmethod
    def per_class(self, counts: Tensor) -> Tensor:
        """Return (…, C) percentages of (…, C, k) counts; NaN for a class that is neither true nor predicted."""

    @abstractmethod
    def has_true(self, counts: Tensor) -> Tensor:
        """Return (…, C) bool of (…, C, k) counts: whether each class has true pixels among those counted."""

    def mean(
        self, counts: Tensor, absent_classes: AbsentClasses = "count", mean_over: Sequence[int] | None = None
    ) -> Tensor:
        """Return the (…) mean over classes of (…, C, k) counts, in percent; NaN if nothing was counted.

        Args:
            counts: The counts.
            absent_classes: How a predicted class without true pixels enters the mean.
            mean_over: The classes that enter the mean; None for all.
        """
        values = self.per_class(counts)
        included = self.has_true(counts) if absent_classes == "ignore" else ~values.isnan()
        if mean_over is not None:
            chosen = torch.zeros(values.shape[-1], dtype=torch.bool, device=values.device)
            chosen[list(mean_over)] = True
            included &= chosen
        return values.where(included, 0).sum(-1) / included.sum(-1)


class _OutcomesDefinition(MetricDefinition[P]):
    """Intersection over union from (…, C, 3) true positives, false positives and false negatives."""

    def per_class(self, counts: Tensor) -> Tensor:
        return 100 * counts[..., 0].double() / counts.sum(-1)

    def has_true(self, counts: Tensor) -> Tensor:
        return counts[..., 0] + counts[..., 2] > 0


@dataclass(frozen=True)
class IoUDefinition(_OutcomesDefinition[Tensor | None]):
    """Intersection over union, over all pixels or over the pixels of a trimap.

    Args:
        width: Width of the trimap to each side: an int in pixels, or a float as a share of the diagonal; None for all
            pixels.
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
    """Share of the pixels with the right label; for one class, the share of its true pixels (its recall).

    Its mean is a share of all pixels, whichever classes enter other means.
    """

    def per_class(self, counts: Tensor) -> Tensor:
        return 100 * counts[..., 0].double() / (counts[..., 0] + counts[..., 2])

    def mean(
        self, counts: Tensor, absent_classes: AbsentClasses = "count", mean_over: Sequence[int] | None = None
    ) -> Tensor:
        right = counts[..., 0].double().sum(-1)
        return 100 * right / (counts[..., 0] + counts[..., 2]).sum(-1)


@dataclass(frozen=True)
class BoundaryIoUDefinition(_OutcomesDefinition[Tensor]):
    """Boundary IoU of Cheng et al. (2021, https://arxiv.org/abs/2103.16562), for every class of a label map.

    It is the intersection over union of those pixels of a predicted and a true mask that lie near the contour of their
    own mask. As in the authors' code, near means within a square, and the border of the image is part of the contour.
    Void pixels belong to no mask and make no contour. A band of void between two labels is the exception: pixels near
    the band count as near the contour, both in the truth and in a prediction with two labels beside the band.

    Args:
        width: Distance from the contour: an int in pixels, or a float as a share of the diagonal.
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


class LinesDefinition(MetricDefinition[P]):
    """F-score of lines, from (…, C, 4): predicted pixels that are right and all, true ones that are found and all."""

    def per_class(self, counts: Tensor) -> Tensor:
        right, predicted, found, true = counts.double().unbind(-1)
        missed = (right == 0) & (predicted + true > 0)  # F is 0; a class that is neither true nor predicted has none
        return 200 * right * found / (right * true + found * predicted + missed)

    def has_true(self, counts: Tensor) -> Tensor:
        return counts[..., 3] > 0


class Contours(NamedTuple):
    """Contours of a label map, for the boundary F-score."""

    marked: Tensor
    """(H, W) bool: the pixels on a contour."""
    labels: Tensor
    """(H, W) int64: labels with bands of void filled."""
    near: ClassPlanes
    """The classes with a contour within the tolerance of each pixel."""


@dataclass(frozen=True)
class BoundaryFDefinition(LinesDefinition[Contours]):
    """Boundary F-score of Csurka et al. (2013) and Perazzi et al. (2016), with pixels counted over the data set.

    It is the harmonic mean of precision (the share of predicted contour pixels near a true contour of their class) and
    recall (the share of true contour pixels near a predicted one). Contours lie between two labels; there is none next
    to void or at the border of the image. A band of void between two labels is filled from both sides, in the truth
    and in the prediction, so predicted labels within it do not count. The contour is then the middle of the band, and
    half the width of the band is added to the tolerance, which therefore counts from the edge of the band.

    Args:
        tolerance: Largest distance between matching contours: an int in pixels, or a float as a share of the diagonal.
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


def distance_in_pixels(width: float, labels: Tensor) -> int:
    """Return a distance in whole pixels: an int unchanged, a float as a share of the diagonal of (H, W) labels.

    A share is rounded to at least one pixel, as by the authors of the Boundary IoU.
    """
    return width if isinstance(width, int) else max(1, round(width * math.hypot(*labels.shape)))


def _outcomes(predicted: Tensor, predicted_where: Tensor, labels: Tensor, where: Tensor, num_classes: int) -> Tensor:
    """Return (C, 3) true positives, false positives and false negatives of labels within two masks."""
    right = _bincount(labels, predicted_where & where & (predicted == labels), num_classes)
    said, true = _bincount(predicted, predicted_where, num_classes), _bincount(labels, where, num_classes)
    return torch.stack([right, said - right, true - right], 1)


def _bincount(labels: Tensor, where: Tensor, num_classes: int) -> Tensor:
    return torch.bincount(labels[where], minlength=num_classes)
