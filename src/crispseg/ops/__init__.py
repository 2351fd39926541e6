"""The operations: pure functions on tensors, each in a folder with its plain-PyTorch reference."""

from crispseg.ops.affinity import affinity, affinity_weights
from crispseg.ops.embedding_loss import embedding_loss
from crispseg.ops.local_distance import local_distance
from crispseg.ops.local_filter import local_filter
from crispseg.ops.local_parity import local_parity

__all__ = [
    "affinity",
    "affinity_weights",
    "embedding_loss",
    "local_distance",
    "local_filter",
    "local_parity",
]
