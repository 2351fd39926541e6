"""Whole networks."""

from crispseg.models.crisp_net import CrispNet
from crispseg.models.deeplab import DeepLabLargeFOV, DeepLabMSc
from crispseg.models.embedding_net import EmbeddingNet
from crispseg.models.hed import HED
from crispseg.models.network import Network
from crispseg.models.trunk_embedding import TrunkEmbedding
from crispseg.models.two_scale_embedding import TwoScaleEmbedding

__all__ = [
    "HED",
    "CrispNet",
    "DeepLabLargeFOV",
    "DeepLabMSc",
    "EmbeddingNet",
    "Network",
    "TrunkEmbedding",
    "TwoScaleEmbedding",
]
