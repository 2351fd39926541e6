"""Counts of a method's predictions over a data set."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Self

import torch
from torch import Tensor

from crispseg.defaults import ABSENT_CLASSES, AbsentClasses
from crispseg.errors import InputError
from crispseg.metrics.confusion import check_classes, check_predicted
from crispseg.metrics.definitions import VOID
from crispseg.metrics.names import METRICS, definition_named
from crispseg.metrics.void_band import count_borders
from crispseg.value_checks import check_choice

SHOWN_BOUNDARY = 0.05
"""Boundary metrics are undefined below this share of boundary pixels among the pixels beside another label or void. If
void covers the outlines of a data set, the few labels that still touch do not represent its boundaries."""

_BORDERS, _OFF_BY_ONE = "borders", "off_by_one"
_NARROW = torch.int32
"""Dtype of the counts of one image; images of 2 gigapixels and more need int64."""
_PIECES = 64
"""Number of separate tensors of counts before they are joined, since each has an overhead."""


class Truth:
    """The true labels of an image, prepared once for the metrics of all its predictions.

    Args:
        labels: (H, W) int64; labels outside 0 … C - 1 are void.
        num_classes: Number of classes C.
        metrics: Names of metrics, from `METRICS`.
        void_band: Widest band of void between two labels that counts as a boundary, in pixels; 0 for none.
            `crispseg.evaluation.void_band_of` finds it.
    """

    def __init__(
        self, labels: Tensor, num_classes: int, metrics: Sequence[str] = METRICS, *, void_band: int = 0
    ) -> None:
        labels = labels.long()
        self.void = (labels < 0) | (labels >= num_classes)
        self.labels = labels.masked_fill(self.void, VOID)
        self.num_classes = num_classes
        self.void_band = void_band
        self.borders = count_borders(self.labels, void_band)
        self.prepared: dict[str, Any] = {
            name: definition_named(name).prepare(self.labels, num_classes, void_band) for name in metrics
        }


class Accuracy:
    """Counts of the chosen metrics over images, kept for each image or only in total.

    Each metric keeps a few whole numbers for each class, such as true positives, false positives and false negatives.

    Args:
        num_classes: Number of classes C.
        metrics: Names of metrics, from `METRICS`.
        per_image: Whether to keep the counts of each image, which `gain` needs, or only their sum.
        absent_classes: How a predicted class without true pixels enters means: "count" counts it as 0, "ignore" leaves
            it out.
        mean_over: The classes that enter means; None for all. Classes with few images make means unsteady.

    Raises:
        InputError: If a metric or `absent_classes` is unknown, or `mean_over` does not hold classes.

    Example:
        >>> truth = Truth(torch.tensor([[0, 0, 1, 1]]), num_classes=2, metrics=["miou"])
        >>> accuracy = Accuracy(2, ["miou"])
        >>> accuracy.add(torch.tensor([[0, 0, 0, 1]]), truth)
        >>> accuracy.per_class("miou").tolist()
        [66.66666666666667, 50.0]
    """

    def __init__(
        self,
        num_classes: int,
        metrics: Sequence[str] = METRICS,
        *,
        per_image: bool = True,
        absent_classes: AbsentClasses = "count",
        mean_over: Sequence[int] | None = None,
    ) -> None:
        check_choice("absent_classes", absent_classes, ABSENT_CLASSES)
        for name in metrics:
            definition_named(name)
        self.num_classes = num_classes
        self.absent_classes: AbsentClasses = absent_classes
        self.mean_over = None if mean_over is None else check_classes("mean_over", mean_over, num_classes)
        self.images = 0
        """Number of images counted."""
        self.off_by_one = torch.zeros(2, dtype=torch.int64)
        """Numbers of pixels predicted as the true class minus 1 and plus 1; large if labels are misread."""
        self._borders = torch.zeros(2, dtype=torch.int64)
        self._totals: dict[str, Tensor | int] = dict.fromkeys(metrics, 0)
        self._by_image: dict[str, list[Tensor]] | None = {name: [] for name in metrics} if per_image else None

    def add(self, predicted: Tensor, truth: Truth) -> None:
        """Count an image.

        Args:
            predicted: (H, W) int64, labels 0 … C - 1.
            truth: True labels, prepared for the same number of classes and at least the same metrics.

        Raises:
            InputError: If the sizes differ, a predicted label is not a class, or the truth was prepared for other
                metrics or another number of classes.
        """
        missing = self._totals.keys() - truth.prepared.keys()
        if missing or truth.num_classes != self.num_classes:
            raise InputError(
                f"truth is prepared for {truth.num_classes} classes and {', '.join(truth.prepared) or 'no metric'}; "
                f"expected {self.num_classes} classes and {', '.join(self._totals)}"
            )
        if predicted.shape != truth.labels.shape:
            shapes = f"prediction has shape {tuple(predicted.shape)}, labels {tuple(truth.labels.shape)}"
            raise InputError(f"{shapes}; expected equal shapes")
        check_predicted(predicted, self.num_classes)
        known = predicted.long().masked_fill(truth.void, VOID)
        step = known - truth.labels
        self.off_by_one += torch.stack([((step == by) & ~truth.void).sum() for by in (-1, 1)])
        self._borders += truth.borders
        self.images += 1
        for name in self._totals:
            definition, prepared = definition_named(name), truth.prepared[name]
            self._keep(name, definition.count(known, truth.labels, prepared, self.num_classes, truth.void_band)[None])

    def extend(self, state: Mapping[str, Tensor]) -> None:
        """Add images that were counted elsewhere, given the `state` of an accuracy with equal metrics and classes."""
        self.off_by_one += state[_OFF_BY_ONE]
        self._borders += state[_BORDERS]
        self.images += max((len(state[name]) for name in self._totals), default=0)
        for name in self._totals:
            self._keep(name, state[name])

    def _keep(self, name: str, counts: Tensor) -> None:
        """Add (images, C, k) counts."""
        self._totals[name] = self._totals[name] + counts.sum(0)
        if self._by_image is not None:
            holds = counts.numel() == 0 or int(counts.max()) <= torch.iinfo(_NARROW).max
            self._by_image[name].append(counts.to(_NARROW) if holds else counts)
            if len(self._by_image[name]) > _PIECES:
                self._join(name)

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of the metrics counted."""
        return tuple(self._totals)

    def counts(self, name: str) -> Tensor:
        """Return (images, C, k) whole numbers that a metric counted in each image.

        Raises:
            InputError: If no image was counted, the metric was not counted, or only totals are kept.
        """
        self._check_counted(name)
        if self._by_image is None:
            raise InputError(
                "this accuracy keeps only totals; expected the counts of each image: create it with per_image=True"
            )
        return self._join(name)

    def _join(self, name: str) -> Tensor:
        assert self._by_image is not None
        joined = torch.cat(self._by_image[name])
        self._by_image[name] = [joined]
        return joined

    def total(self, name: str) -> Tensor:
        """Return (C, k) int64, the sum of a metric's counts over all images.

        Raises:
            InputError: If no image was counted, or the metric was not counted.
        """
        self._check_counted(name)
        total = self._totals[name]
        assert isinstance(total, Tensor)
        return total

    def _check_counted(self, name: str) -> None:
        check_choice("metric", name, self.metrics)
        if not self.images:
            raise InputError("no image was counted; expected one or more")

    def value(self, name: str) -> float:
        """Return a metric of the data set in percent; NaN if it is undefined."""
        if self.undefined(name):
            return math.nan
        return float(definition_named(name).mean(self.total(name), self.absent_classes, self.mean_over))

    def per_class(self, name: str) -> Tensor:
        """Return (C,) percentages; NaN for a class that is neither true nor predicted."""
        percent = definition_named(name).per_class(self.total(name))
        return torch.full_like(percent, math.nan) if self.undefined(name) else percent

    def undefined(self, name: str) -> str | None:
        """Return why a boundary metric is undefined (void hides nearly all boundaries); None if it is defined."""
        if not definition_named(name).of_boundaries:
            return None
        boundary, hidden = self._borders.tolist()
        share = boundary / max(boundary + hidden, 1)
        if not hidden or share >= SHOWN_BOUNDARY:
            return None
        return (
            f"too few boundary pixels: {boundary} beside another label and {hidden} beside void ({100 * share:.1f} % "
            f"of both; expected {100 * SHOWN_BOUNDARY:g} % or more); if void is a band along the outlines, pass its "
            "width with --void-band"
        )

    def state(self) -> dict[str, Tensor]:
        """Return all counts by name, for storage: (images, C, k) of each metric, and totals of the data set."""
        totals = {_BORDERS: self._borders, _OFF_BY_ONE: self.off_by_one}
        return {**{name: self.counts(name) for name in self.metrics}, **totals}

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Tensor],
        *,
        absent_classes: AbsentClasses = "count",
        mean_over: Sequence[int] | None = None,
    ) -> Self:
        """Return an accuracy with the counts that `state` returned.

        Raises:
            InputError: If there are no counts, or a metric is unknown.
        """
        metrics = [name for name in state if name not in {_BORDERS, _OFF_BY_ONE}]
        if not metrics:
            raise InputError("the state has no counts; expected those of at least one metric")
        classes = state[metrics[0]].shape[1]
        accuracy = cls(classes, metrics, absent_classes=absent_classes, mean_over=mean_over)
        accuracy.extend(state)
        return accuracy
