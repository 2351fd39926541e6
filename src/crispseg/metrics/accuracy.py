"""What was counted of a prediction in each image of a data set, and what gains follow from two of them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from crispseg.checks import check_choice
from crispseg.errors import InputError
from crispseg.metrics.confusion import check_predicted
from crispseg.metrics.metrics import METRICS, VOID, metric_named
from crispseg.metrics.void_band import count_borders

SHOWN_BOUNDARY = 0.05
"""Share of the pixels beside another label or void that must lie beside a boundary, for metrics of boundaries to say
anything: in a data set whose outlines are void, what touches by chance is no sample of its boundaries."""

_BORDERS = "borders"


class Truth:
    """The true labels of an image, with what metrics need of them alone: one for all predictions of the image.

    Args:
        labels: (H, W) int64; those outside 0 … C - 1 are void.
        num_classes: Number of classes C.
        metrics: Names of `METRICS`.
        void_band: How wide, in pixels, a band of void between two labels may be to stand for a boundary; 0 for none.
            `void_band_of` finds it.
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
        self.prepared = {name: metric_named(name).prepare(self.labels, num_classes, void_band) for name in metrics}


class Accuracy:
    """Counts of chosen metrics, image by image, so that images can be drawn anew.

    Args:
        num_classes: Number of classes C.
        metrics: Names of `METRICS`.

    Example:
        >>> truth = Truth(torch.tensor([[0, 0, 1, 1]]), num_classes=2, metrics=["miou"])
        >>> accuracy = Accuracy(2, ["miou"])
        >>> accuracy.add(torch.tensor([[0, 0, 0, 1]]), truth)
        >>> accuracy.per_class("miou").tolist()
        [66.66666666666667, 50.0]
    """

    def __init__(self, num_classes: int, metrics: Sequence[str] = METRICS) -> None:
        self.num_classes = num_classes
        self._counts: dict[str, list[Tensor]] = {name: [] for name in metrics}
        self._borders: list[Tensor] = []
        for name in metrics:
            metric_named(name)

    def add(self, predicted: Tensor, truth: Truth) -> None:
        """Count an image.

        Args:
            predicted: (H, W) int64, labels 0 … C - 1.
            truth: Prepared for all of these metrics and as many classes.

        Raises:
            InputError: If the sizes differ, a predicted label is not a class, or the truth is prepared for something
                else.
        """
        missing = self._counts.keys() - truth.prepared.keys()
        if missing or truth.num_classes != self.num_classes:
            raise InputError(
                f"truth is of {truth.num_classes} classes and for {', '.join(truth.prepared) or 'no metric'}; expected "
                f"{self.num_classes} classes and {', '.join(self._counts)}"
            )
        if predicted.shape != truth.labels.shape:
            raise InputError(f"prediction has shape {tuple(predicted.shape)}, labels {tuple(truth.labels.shape)}")
        check_predicted(predicted, self.num_classes)
        known = predicted.long().masked_fill(truth.void, VOID)
        self._borders.append(truth.borders)
        for name, counts in self._counts.items():
            prepared = truth.prepared[name]
            counts.append(metric_named(name).count(known, truth.labels, prepared, self.num_classes, truth.void_band))

    def extend(self, state: Mapping[str, Tensor]) -> None:
        """Add images that were counted elsewhere: the `state` of their accuracy, of the same metrics and classes."""
        self._borders.extend(state[_BORDERS])
        for name, counts in self._counts.items():
            counts.extend(state[name])

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what is counted."""
        return tuple(self._counts)

    @property
    def images(self) -> int:
        """How many were counted."""
        return len(next(iter(self._counts.values()), []))

    def counts(self, name: str) -> Tensor:
        """(images, C, k) int64, what a metric counted in each image.

        Raises:
            InputError: If no image was counted, or the metric is none of these.
        """
        check_choice("metric", name, self.metrics)
        if not self.images:
            raise InputError("no image was counted; expected one or more")
        return torch.stack(self._counts[name])

    def value(self, name: str) -> float:
        """What a metric says of the data set in percent; NaN where the labels leave it undefined."""
        return math.nan if self.undefined(name) else float(metric_named(name).mean(self.counts(name).sum(0)))

    def per_class(self, name: str) -> Tensor:
        """(C,) percentages; NaN for a class of which nothing was counted."""
        percent = metric_named(name).per_class(self.counts(name).sum(0))
        return torch.full_like(percent, math.nan) if self.undefined(name) else percent

    def undefined(self, name: str) -> str | None:
        """Why a metric of boundaries says nothing: void hides nearly all of them. None where it says something."""
        if not metric_named(name).of_boundaries or not self._borders:
            return None
        boundary, hidden = torch.stack(self._borders).sum(0).tolist()
        share = boundary / max(boundary + hidden, 1)
        if not hidden or share >= SHOWN_BOUNDARY:
            return None
        return (
            f"too few boundary pixels: {boundary} beside another label and {hidden} beside void ({100 * share:.1f} % "
            f"of both; expected {100 * SHOWN_BOUNDARY:g} % or more); if the void is a band on the outlines, say how "
            "wide (--void-band)"
        )

    def state(self) -> dict[str, Tensor]:
        """The counts by the names of their metrics, and those of pixels beside boundaries, to be stored."""
        return {**{name: self.counts(name) for name in self._counts}, _BORDERS: torch.stack(self._borders)}

    @classmethod
    def from_state(cls, state: Mapping[str, Tensor]) -> Self:
        """What `state` came from.

        Raises:
            InputError: If it is empty, or a metric is unknown.
        """
        metrics = [name for name in state if name != _BORDERS]
        if not metrics:
            raise InputError("no counts; expected those of at least one metric")
        accuracy = cls(state[metrics[0]].shape[1], metrics)
        accuracy.extend(state)
        return accuracy


@dataclass(frozen=True)
class Gain:
    """Points gained, and the interval that they lie in."""

    value: float
    low: float
    high: float


def gain(
    before: Accuracy, after: Accuracy, name: str, *, samples: int = 2000, seed: int = 0, level: float = 0.95
) -> Gain:
    """Points that a metric gains, with a bootstrap interval over images.

    As many images as there are are drawn with replacement, many times, the same for both (Efron 1979); the interval
    spans the middle of the gains that come out. It says how much hangs on which images were measured, and nothing of
    how settings were chosen.

    Args:
        before: Counts of the baseline.
        after: Counts of the same images in the same order.
        name: Of the metric.
        samples: How many times to draw.
        seed: Draws follow from it.
        level: Share of the gains in the interval.

    Raises:
        InputError: If the two count different numbers of images, or none.
    """
    if before.images != after.images:
        raise InputError(f"{before.images} images before and {after.images} after; expected the same images")
    counted = [accuracy.counts(name).double() for accuracy in (before, after)]
    if before.undefined(name):
        return Gain(math.nan, math.nan, math.nan)
    metric = metric_named(name)
    drawn = _draw(before.images, samples, seed)

    values = [metric.mean((drawn @ counts.flatten(1)).view(samples, *counts.shape[1:])) for counts in counted]
    gains = values[1] - values[0]
    low, high = torch.nanquantile(gains, torch.tensor([(1 - level) / 2, (1 + level) / 2]).double()).tolist()
    return Gain(after.value(name) - before.value(name), low, high)


def _draw(images: int, samples: int, seed: int) -> Tensor:
    """(samples, images) float64: how often each image was drawn in each sample."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(images, (samples, images), generator=generator)
    counts = torch.zeros(samples, images, dtype=torch.float64)
    return counts.scatter_add_(1, drawn, torch.ones_like(counts))
