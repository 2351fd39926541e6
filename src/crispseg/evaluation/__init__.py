"""Metrics and reports; knows tensors, no network."""

from crispseg.evaluation.accuracy import Accuracy, Gain, Truth, gain
from crispseg.evaluation.boundaries import BoundaryCounts, count_boundaries
from crispseg.evaluation.boundary_files import evaluate_boundaries
from crispseg.evaluation.boundary_report import BoundaryReport, BoundaryScore
from crispseg.evaluation.confusion import ConfusionMatrix
from crispseg.evaluation.metrics import METRICS
from crispseg.evaluation.pairs import PairCounts, count_pairs
from crispseg.evaluation.remarks import remarks_on
from crispseg.evaluation.report import Comparison
from crispseg.evaluation.trimap import trimap
from crispseg.evaluation.void_band import void_band_of

__all__ = [
    "METRICS",
    "Accuracy",
    "BoundaryCounts",
    "BoundaryReport",
    "BoundaryScore",
    "Comparison",
    "ConfusionMatrix",
    "Gain",
    "PairCounts",
    "Truth",
    "count_boundaries",
    "count_pairs",
    "evaluate_boundaries",
    "gain",
    "remarks_on",
    "trimap",
    "void_band_of",
]
