"""Whole networks."""

from crispseg.models.embedding_net import EmbeddingNet
from crispseg.models.hed import HED

__all__ = ["HED", "EmbeddingNet"]
