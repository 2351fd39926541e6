"""Metrics and reports; knows tensors, no network."""

from crispseg.evaluation.boundaries import BoundaryCounts, count_boundaries
from crispseg.evaluation.boundary_report import BoundaryReport, BoundaryScore
from crispseg.evaluation.confusion import ConfusionMatrix
from crispseg.evaluation.pairs import PairCounts, count_pairs
from crispseg.evaluation.report import Accuracy, Comparison
from crispseg.evaluation.trimap import trimap

__all__ = [
    "Accuracy",
    "BoundaryCounts",
    "BoundaryReport",
    "BoundaryScore",
    "Comparison",
    "ConfusionMatrix",
    "PairCounts",
    "count_boundaries",
    "count_pairs",
    "trimap",
]
