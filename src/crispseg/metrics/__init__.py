"""Metrics of segmentations, pairs and boundaries: tensors in, numbers out."""

from crispseg.metrics.accuracy import Accuracy, Gain, Truth, gain
from crispseg.metrics.boundaries import BoundaryCounts, count_boundaries
from crispseg.metrics.confusion import ConfusionMatrix
from crispseg.metrics.metrics import METRICS
from crispseg.metrics.pairs import PairCounts, count_pairs
from crispseg.metrics.trimap_band import trimap

__all__ = [
    "METRICS",
    "Accuracy",
    "BoundaryCounts",
    "ConfusionMatrix",
    "Gain",
    "PairCounts",
    "Truth",
    "count_boundaries",
    "count_pairs",
    "gain",
    "trimap",
]
