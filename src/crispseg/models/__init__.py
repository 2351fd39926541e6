"""Whole networks."""

from crispseg.models.embedding_net import EmbeddingNet

__all__ = ["EmbeddingNet"]
