"""The gain between two methods, with an interval over images."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.metrics.accuracy import Accuracy
from crispseg.metrics.names import definition_named

_SAMPLES_AT_ONCE = 256
"""Number of bootstrap samples in memory at a time."""


@dataclass(frozen=True)
class Gain:
    """A gain in points, with the ends of its confidence interval."""

    value: float
    low: float
    high: float


def gain(
    before: Accuracy, after: Accuracy, name: str, *, samples: int = 2000, seed: int = 0, level: float = 0.95
) -> Gain:
    """Return the gain of a metric in points, with a bootstrap interval over images (Efron 1979).

    Each bootstrap sample draws as many images as there are, with replacement, the same ones for both accuracies. The
    interval spans the central part of the resulting gains. It shows how much the gain depends on the choice of images,
    but not how much it depends on the choice of settings.

    Args:
        before: Counts of the baseline.
        after: Counts of the same images in the same order.
        name: Name of the metric.
        samples: Number of bootstrap samples.
        seed: Seed of the random draws.
        level: Share of the gains within the interval.

    Raises:
        InputError: If the two have different numbers of images, or none, take means over other classes or treat absent
            ones differently, or keep only totals.
    """
    for rule in ("absent_classes", "mean_over"):
        if getattr(before, rule) != getattr(after, rule):
            said = f"{rule} is {getattr(before, rule)!r} before and {getattr(after, rule)!r} after"
            raise InputError(f"{said}; expected the same")
    if before.images != after.images:
        raise InputError(f"{before.images} images before and {after.images} after; expected the same images")
    counted = [accuracy.counts(name).double() for accuracy in (before, after)]
    if before.undefined(name):
        return Gain(math.nan, math.nan, math.nan)
    definition, gains = definition_named(name), []
    for drawn in _draws(before.images, samples, seed):
        sums = [(drawn @ counts.flatten(1)).view(len(drawn), *counts.shape[1:]) for counts in counted]
        values = [definition.mean(sum_, before.absent_classes, before.mean_over) for sum_ in sums]
        gains.append(values[1] - values[0])
    low, high = torch.nanquantile(torch.cat(gains), torch.tensor([(1 - level) / 2, (1 + level) / 2]).double()).tolist()
    return Gain(after.value(name) - before.value(name), low, high)


def _draws(images: int, samples: int, seed: int) -> Iterator[Tensor]:
    """Yield (some samples, images) float64: the number of times that each sample draws each image."""
    generator = torch.Generator().manual_seed(seed)
    every = torch.randint(images, (samples, images), generator=generator)
    for first in range(0, samples, _SAMPLES_AT_ONCE):
        drawn = every[first : first + _SAMPLES_AT_ONCE]
        counts = torch.zeros(drawn.shape, dtype=torch.float64)
        yield counts.scatter_add_(1, drawn, torch.ones((), dtype=counts.dtype).expand(drawn.shape))
