"""The boundary benchmark of BSDS500 (Martin, Fowlkes & Malik 2004; Arbeláez et al. 2011)."""

import operator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from crispseg.defaults import MAX_DISTANCE, THRESHOLDS
from crispseg.errors import InputError
from crispseg.metrics.matching import match_pixels
from crispseg.metrics.thinning import suppress_non_maxima, thin
from crispseg.value_checks import check_count, check_positive


@dataclass(frozen=True)
class BoundaryCounts:
    """Counts of pixels at every threshold, of one image or of many; each array is (thresholds,) int64."""

    right: NDArray[np.int64]
    """Predicted boundary pixels that match a pixel of at least one annotator."""
    predicted: NDArray[np.int64]
    """All predicted boundary pixels."""
    found: NDArray[np.int64]
    """True boundary pixels that match a predicted pixel, summed over the annotators."""
    true: NDArray[np.int64]
    """All true boundary pixels, summed over the annotators."""

    @classmethod
    def none(cls, thresholds: int) -> "BoundaryCounts":
        """Return counts of zero."""
        return cls(*np.zeros((4, thresholds), dtype=np.int64))

    def __add__(self, other: "BoundaryCounts") -> "BoundaryCounts":
        return BoundaryCounts(*map(operator.add, vars(self).values(), vars(other).values()))

    def at(self, index: int) -> "BoundaryCounts":
        """Return the counts at one threshold."""
        return BoundaryCounts(*(counts[index : index + 1] for counts in vars(self).values()))

    @property
    def precision(self) -> NDArray[np.float64]:
        """Share of the predicted pixels that are right; 0 if none are predicted."""
        return self.right / np.maximum(self.predicted, 1)

    @property
    def recall(self) -> NDArray[np.float64]:
        """Share of the true pixels that are found; 0 if there are none."""
        return self.found / np.maximum(self.true, 1)

    @property
    def f(self) -> NDArray[np.float64]:
        """Harmonic mean of precision and recall."""
        return harmonic_mean(self.precision, self.recall)


def count_boundaries(
    boundary: Tensor,
    annotators: Tensor,
    *,
    thresholds: int = THRESHOLDS,
    max_distance: float = MAX_DISTANCE,
    thinned: bool = False,
) -> BoundaryCounts:
    """Count the boundary pixels of one image. Needs SciPy (extra `data`).

    At every threshold, the prediction is thinned and matched one to one with the boundaries of each annotator.

    Args:
        boundary: (H, W) floating point, probability of a boundary in [0, 1].
        annotators: (annotators, H, W) bool, the boundaries that each annotator drew.
        thresholds: Number of evenly spaced thresholds; the benchmark uses 99, fewer are faster.
        max_distance: Largest distance between two matched pixels, as a share of the image's diagonal.
        thinned: Whether the boundaries are already lines, such as those of a segmentation. Otherwise only the maxima
            across each boundary are kept.

    Raises:
        InputError: If the sizes differ, or a number is out of range.

    Example:
        >>> import torch
        >>> line = torch.eye(9)
        >>> count_boundaries(line, line[None] > 0, thresholds=2, thinned=True).f.tolist()
        [1.0, 1.0]
    """
    check_count("thresholds", thresholds)
    check_positive("max_distance", max_distance)
    if boundary.ndim != 2 or annotators.ndim != 3 or boundary.shape != annotators.shape[1:]:
        raise InputError(
            f"boundary map has shape {tuple(boundary.shape)}, annotators {tuple(annotators.shape)}; expected (H, W) "
            "and (annotators, H, W)"
        )
    if min(boundary.shape) < 2:
        raise InputError(f"boundary map has height and width {tuple(boundary.shape)}; expected 2 pixels or more")
    probability = boundary.cpu().double().numpy()
    if not thinned:
        probability = suppress_non_maxima(probability)
    truths = annotators.cpu().numpy()
    radius = max_distance * float(np.hypot(*boundary.shape))
    counts: list[tuple[int, ...]] = []
    previous = None
    for threshold in threshold_values(thresholds):
        mask = probability >= threshold
        # Matching is slow, and many thresholds give the same mask.
        same = previous is not None and np.array_equal(mask, previous)
        counts.append(counts[-1] if same else _count(mask, truths, radius))
        previous = mask
    return BoundaryCounts(*np.array(counts, dtype=np.int64).T)


def threshold_values(count: int) -> NDArray[np.float64]:
    """Return evenly spaced thresholds between 0 and 1, without 0 and 1.

    Example:
        >>> threshold_values(3).tolist()
        [0.25, 0.5, 0.75]
    """
    return np.linspace(0, 1, count + 2)[1:-1]


def _count(mask: NDArray[np.bool_], truths: NDArray[np.bool_], radius: float) -> tuple[int, ...]:
    lines = thin(mask)
    right, found = np.zeros_like(lines), 0
    for truth in truths:
        matched, matched_true = match_pixels(lines, truth, radius)
        right |= matched
        found += int(matched_true.sum())
    return int(right.sum()), int(lines.sum()), found, int(truths.sum())


def harmonic_mean(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the harmonic mean of two arrays; 0 where both are 0."""
    return 2 * first * second / np.maximum(first + second, np.finfo(np.float64).tiny)
