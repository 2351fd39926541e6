"""A fast embedding: a small ImageNet trunk, a narrow decoder, and a full-resolution layer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.models.efficientnet_lite import MEAN, STD, EfficientNetLite
from crispseg.models.network import Network
from crispseg.models.registry import register_network
from crispseg.models.shipped import shipped_path
from crispseg.models.state import tensor_names
from crispseg.models.vgg import start_at_random

_STEP = 16

_REACH = 236
"""The trunk looks 169 pixels far, the three layers of the decoder and the upsampling 67 more."""

_COLOURS = 3
"""The first channels of the embedding start as the colours."""

_TAMED = 0.1
"""Features of the trunk deviate by some 10."""


@register_network
class PyramidEmbedding(Network):
    """Features of EfficientNet-Lite0 at 1/2 to 1/16, decoded to 1/2, and fused with the image at full resolution.

    The decoder adds the features of each resolution to the upsampled ones of the next coarser, and mixes them by a 3×3
    convolution. At full resolution the upsampled decoder is added to a 3×3 convolution of the image, and a 1×1
    convolution mixes the sum, after its ReLU, with the colours. The network normalises its input itself, and pads it on
    the right and below to a multiple of 16 pixels.

    Args:
        dim: Channels of the embedding, 4 or more.
        width: Channels of the decoder at 1/2; it has 1.5 times as many at 1/4 and twice as many at 1/8.
        detail: Channels at full resolution.
        init: Where the weights start: "random"; a safetensors file of EfficientNet-Lite0 with the names of the package
            `efficientnet-lite-pytorch`; or a file that `crispseg train` wrote of a `PyramidEmbedding`, from which every
            weight that fits is taken. At first the embedding consists of the colours and little else.

    Raises:
        InputError: If an option is not as above, or the file cannot be used.

    Example:
        >>> network = PyramidEmbedding(dim=16)
        >>> network(torch.rand(1, 3, 31, 45)).shape
        torch.Size([1, 16, 31, 45])
    """

    gives: ClassVar[Literal["embedding", "scores", "boundary"]] = "embedding"
    shape: ClassVar[Mapping[str, Sequence[object]]] = {
        "dim": range(4, 4097),
        "width": range(2, 1025, 2),
        "detail": range(1, 1025),
    }

    def __init__(self, dim: int = 16, *, width: int = 16, detail: int = 16, init: str | Path = "random") -> None:
        super().__init__(dim=dim, width=width, detail=detail)
        self.dim, self.width, self.detail = dim, width, detail
        self.mean.copy_(torch.tensor(MEAN))
        self.std.copy_(torch.tensor(STD))
        self.trunk = EfficientNetLite()
        channels = self.trunk.channels
        widths = (width, width * 3 // 2, width * 2)
        self.skips = nn.ModuleList([nn.Conv2d(own, w, 1) for own, w in zip(channels[:-1], widths, strict=True)])
        coarser = (*widths[1:], channels[-1])
        self.rises = nn.ModuleList([nn.Conv2d(c, w, 1, bias=False) for c, w in zip(coarser, widths, strict=True)])
        self.blends = nn.ModuleList([nn.Conv2d(w, w, 3, padding=1) for w in widths])
        self.image = nn.Conv2d(3, detail, 3, padding=1)
        self.lift = nn.Conv2d(width, detail, 1, bias=False)
        self.mix = nn.Conv2d(detail + 3, dim, 1, bias=False)
        self._start_new_layers()
        if init != "random":
            self._start_from(init)

    @property
    def reach(self) -> int:
        """Receptive field radius in pixels."""
        return _REACH

    @property
    def step(self) -> int:
        """Alignment in pixels: a crop has the embeddings of the whole image if it starts at multiples of this."""
        return _STEP

    @property
    def workspace(self) -> int:
        """Numbers held for each pixel while an image is embedded: the widest maps of the trunk, and the last ones."""
        return 70 + 2 * self.width + 3 * self.detail + self.dim

    def forward(self, image: Tensor) -> Tensor:
        """Embed an image.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            (N, dim, H, W).
        """
        height, width = image.shape[-2:]
        x = self.normalise(image)
        x = F.pad(x, (0, -width % _STEP, 0, -height % _STEP), mode="replicate")
        decoded = _double(self.lift(self._decode(self.trunk(x))))
        fine = F.relu(self.image(x).add_(decoded), inplace=True)
        # The colours are mixed apart: concatenated, they would copy the fine maps.
        weight = self.mix.weight
        embedding = F.conv2d(fine, weight[:, : self.detail]).add_(F.conv2d(x, weight[:, self.detail :]))
        return embedding[..., :height, :width]

    def _decode(self, features: Sequence[Tensor]) -> Tensor:
        """Return the decoded features at half the resolution."""
        decoded = features[-1]
        for level in range(len(self.skips) - 1, -1, -1):
            risen = _double(self.rises[level](decoded))
            decoded = F.relu(self.skips[level](features[level]).add_(risen), inplace=True)
            decoded = F.relu(self.blends[level](decoded), inplace=True)
        return decoded

    def _start_new_layers(self) -> None:
        for convolution in (*self.skips, *self.rises, *self.blends, self.image, self.lift):
            start_at_random(convolution)  # type: ignore[arg-type]
        with torch.no_grad():
            for convolution in (*self.skips, self.rises[-1]):
                convolution.weight.mul_(_TAMED)  # type: ignore[operator, union-attr]
            self.mix.weight.normal_(std=0.3 / (self.detail * self.dim) ** 0.5)
            self.mix.weight[:_COLOURS, :, 0, 0] = 0
            self.mix.weight[:_COLOURS, self.detail :, 0, 0] = torch.diag(self.std)

    def _start_from(self, init: str | Path) -> None:
        path = shipped_path(init)
        if path.is_file() and "mean" in tensor_names(path, "weights"):
            self._start_from_network(path)
        else:
            self.trunk.load_imagenet(path)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
