"""Whole networks."""

from crispseg.models.crisp_net import CrispNet
from crispseg.models.deeplab import DeepLabLargeFOV, DeepLabMSc
from crispseg.models.embedding_net import EmbeddingNet
from crispseg.models.hed import HED

__all__ = ["HED", "CrispNet", "DeepLabLargeFOV", "DeepLabMSc", "EmbeddingNet"]
