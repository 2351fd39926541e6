"""Pure functions on tensors, each in a folder with its plain-PyTorch reference and its kernels."""

from crispseg.ops._affinity import affinity
from crispseg.ops._affinity_filter import affinity_filter
from crispseg.ops._affinity_weights import affinity_weights
from crispseg.ops._embedding_loss import embedding_loss
from crispseg.ops._joint_upsample import joint_upsample
from crispseg.ops._local_contour import local_contour
from crispseg.ops._local_distance import local_distance
from crispseg.ops._local_filter import local_filter
from crispseg.ops._local_parity import local_parity
from crispseg.ops._rebalance import rebalance

__all__ = [
    "affinity",
    "affinity_filter",
    "affinity_weights",
    "embedding_loss",
    "joint_upsample",
    "local_contour",
    "local_distance",
    "local_filter",
    "local_parity",
    "rebalance",
]
