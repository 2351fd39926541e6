"""Modules that hold the options and parameters of the operations."""

from crispseg.nn.affinity import Affinity
from crispseg.nn.boundary_loss import BoundaryLoss
from crispseg.nn.embedding_loss import EmbeddingLoss
from crispseg.nn.local_filter import LocalFilter
from crispseg.nn.segmentation_aware_conv import SegmentationAware, SegmentationAwareConv2d, segmentation_aware

__all__ = [
    "Affinity",
    "BoundaryLoss",
    "EmbeddingLoss",
    "LocalFilter",
    "SegmentationAware",
    "SegmentationAwareConv2d",
    "segmentation_aware",
]
