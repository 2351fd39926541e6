"""Metrics and reports; knows tensors, no network."""

from crispseg.evaluation.confusion import ConfusionMatrix
from crispseg.evaluation.pairs import PairCounts, count_pairs
from crispseg.evaluation.report import Accuracy, Comparison
from crispseg.evaluation.trimap import trimap

__all__ = ["Accuracy", "Comparison", "ConfusionMatrix", "PairCounts", "count_pairs", "trimap"]
