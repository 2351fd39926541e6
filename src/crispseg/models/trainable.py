"""The networks that features of a cue may come from, by the names that their files hold."""

from crispseg.models.embedding_net import EmbeddingNet
from crispseg.models.hed import HED
from crispseg.models.network import Network

NETWORKS: dict[str, type[Network]] = {kind.__name__: kind for kind in (EmbeddingNet, HED)}
