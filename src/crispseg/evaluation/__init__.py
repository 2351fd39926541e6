"""Evaluation of sharpeners and boundary maps on labelled images, and its reports."""

from crispseg.evaluation.boundary_files import evaluate_boundaries
from crispseg.evaluation.boundary_report import BoundaryReport, BoundaryScore
from crispseg.evaluation.on_images import evaluate, images_used, void_band_of
from crispseg.evaluation.remarks import describe_losses, describe_worst, losing_classes, remarks_on
from crispseg.evaluation.report import Comparison

__all__ = [
    "BoundaryReport",
    "BoundaryScore",
    "Comparison",
    "describe_losses",
    "describe_worst",
    "evaluate",
    "evaluate_boundaries",
    "images_used",
    "losing_classes",
    "remarks_on",
    "void_band_of",
]
