"""An embedding on any classification network of torchvision or timm."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.models.network import Network
from crispseg.models.state import shipped_path, tensor_names
from crispseg.models.trunks import TrunkNames, build_trunk, check_trunk, maps_of
from crispseg.models.vgg import start_at_random

_DETAIL = 16
"""Channels at full resolution, where the trunk has none."""


class TrunkEmbedding(Network):
    """Feature maps of a trunk, each mixed by a 1×1 convolution, upsampled and summed.

    The trunk's classifier and all that is coarser than `deepest` are left out. Most trunks start at half or a quarter
    of the resolution; a 3×3 convolution of the image then adds full resolution. The network normalises its input
    itself, and pads it on the right and below to whole steps of its coarsest map.

    Args:
        trunk: A network of an installed package, such as "torchvision.resnet18" or "timm.convnext_atto". It must be
            convolutional: maps of any size of image, each of 1/2, 1/4, … of it.
        dim: Channels of the embedding.
        deepest: How many pixels of the image lie side by side in one of the coarsest map.
        init: Where the weights start: "random"; "imagenet" for torchvision's weights, if they lie in its cache; a
            safetensors file of the trunk's own `state_dict`, of torchvision or timm; or a file that `crispseg train`
            wrote of a `TrunkEmbedding`. Nothing is downloaded.

    Raises:
        InputError: If there is no such trunk, it gives no such maps, an option is not as above, or the file cannot be
            used.

    Example:
        >>> network = TrunkEmbedding("torchvision.resnet18", dim=16)
        >>> network(torch.rand(1, 3, 31, 45)).shape
        torch.Size([1, 16, 31, 45])
    """

    gives: ClassVar[Literal["embedding", "scores", "boundary"]] = "embedding"
    shape: ClassVar[Mapping[str, Sequence[object]]] = {
        "trunk": TrunkNames(),
        "dim": range(1, 4097),
        "deepest": (2, 4, 8, 16, 32),
    }

    def __init__(
        self,
        trunk: str = "torchvision.resnet18",
        dim: int = 64,
        *,
        deepest: int = 8,
        init: str | Path = "random",
    ) -> None:
        check_trunk(trunk)
        super().__init__(trunk=trunk, dim=dim, deepest=deepest)
        path = None if init in ("random", "imagenet") else shipped_path(init)
        ours = path is not None and path.is_file() and "mean" in tensor_names(path)
        weights = None if init == "random" or ours else init
        self.trunk, self.channels = build_trunk(trunk, deepest, weights)
        self._take_normalisation()
        if 1 not in self.channels:
            self.detail = nn.Conv2d(3, _DETAIL, 3, padding=1)
            start_at_random(self.detail)
            self.channels = {1: _DETAIL, **self.channels}
        self.mix = nn.ModuleDict({str(s): nn.Conv2d(count, dim, 1, bias=False) for s, count in self.channels.items()})
        self.dim = dim
        if ours and path is not None:
            self._start_from_network(path)

    @property
    def step(self) -> int:
        """Embeddings of a part of an image start at multiples of this."""
        return max(self.channels)

    @property
    def workspace(self) -> int:
        """Numbers held for each pixel while an image is embedded, about two maps of each resolution."""
        return 2 * sum(math.ceil(count / stride**2) for stride, count in self.channels.items()) + 3 * self.dim

    def forward(self, image: Tensor) -> Tensor:
        """Embed an image.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            (N, dim, H, W).
        """
        height, width = image.shape[-2:]
        x = self.normalise(image)
        x = F.pad(x, (0, -width % self.step, 0, -height % self.step), mode="replicate")
        maps = maps_of(self.trunk(x))
        if hasattr(self, "detail"):
            maps = [F.relu(self.detail(x)), *maps]
        strides = list(self.channels)
        embedding = self.mix[str(strides[-1])](maps[-1])
        for finer, coarser, features in zip(strides[-2::-1], strides[:0:-1], maps[-2::-1], strict=True):
            upsampled = F.interpolate(embedding, scale_factor=coarser // finer, mode="bilinear", align_corners=False)
            embedding = self.mix[str(finer)](features) + upsampled
        # Distances sum over the channels: without the division they would start far beyond the margins of the loss.
        mixed: Tensor = embedding[..., :height, :width] / self.dim
        return mixed

    def _take_normalisation(self) -> None:
        """Take the mean and deviation that the trunk's own weights expect, where it says them."""
        expected = getattr(self.trunk, "pretrained_cfg", None) or {}
        for name, buffer in (("mean", self.mean), ("std", self.std)):
            value = expected.get(name)
            if value is not None:
                buffer.copy_(torch.tensor(value))
