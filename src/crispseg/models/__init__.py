"""Whole networks."""

from crispseg.models.crisp_net import CrispNet
from crispseg.models.embedding_net import EmbeddingNet

__all__ = ["CrispNet", "EmbeddingNet"]
