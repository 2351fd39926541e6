"""Two embeddings of an image side by side: one sees it at full size, the other at half."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor

from crispseg.models.embedding_net import EMBEDDING_LAYERS, EmbeddingNet
from crispseg.models.network import Network


class TwoScaleEmbedding(Network):
    """An `EmbeddingNet` at full size, one at half size, and the colours; their channels are concatenated.

    The first sees fine structure, the second twice as far. Distances of the two add up.

    Args:
        dim: Channels of each embedding.
        width: Channels of the first two layers of each; see `EmbeddingNet`.
        init: Where the layers start, as for `EmbeddingNet`. Files of VGG's layers start the one at full size.

    Raises:
        InputError: If `dim` is not from 1 to 4096, `width` is not from 1 to 1024, or the file cannot be used.

    Example:
        >>> network = TwoScaleEmbedding(dim=16)
        >>> network(torch.rand(1, 3, 31, 45)).shape  # 16 channels at full size, 16 at half size, and 3 colours
        torch.Size([1, 35, 31, 45])
    """

    gives: ClassVar[Literal["embedding", "scores", "boundary"]] = "embedding"
    shape: ClassVar[Mapping[str, Sequence[object]]] = {name: EmbeddingNet.shape[name] for name in ("dim", "width")}

    def __init__(self, dim: int = 32, *, width: int = 32, init: str | Path = "random") -> None:
        super().__init__(dim=dim, width=width)
        self.fine = EmbeddingNet(dim, width=width)
        self.coarse = EmbeddingNet(dim, width=width, stride=2, colours=True)
        self.dim = self.fine.dim + self.coarse.dim
        self.start(init, self.fine, EMBEDDING_LAYERS)

    @property
    def reach(self) -> int | None:
        """Receptive field radius in pixels."""
        return self.coarse.reach

    @property
    def step(self) -> int:
        """Alignment in pixels: a crop has the embeddings of the whole image if it starts at multiples of this."""
        return self.coarse.step

    @property
    def workspace(self) -> int:
        """Numbers held for each pixel while an image is embedded."""
        return self.fine.workspace + self.coarse.workspace

    def forward(self, image: Tensor) -> Tensor:
        """Embed an image.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            (N, 2 * dim + 3, H, W).
        """
        return torch.cat([self.fine(image), self.coarse(image)], 1)
