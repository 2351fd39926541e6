"""The boundary detector behind the paper's contour cue (sec. 3.3): HED (Xie & Tu 2015)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.models.network import Network
from crispseg.models.vgg import VGG_LAYERS, vgg_convolution

SIDE_LAYERS = ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3")
"""The last convolution of each of VGG's blocks; each has a side output."""

_PADDING = 35
_MARGIN = _PADDING - 1  # how far the first convolution's output goes beyond the image


class HED(Network):
    """Holistically-nested edge detection: boundary probability from five depths of VGG-16, and from their fusion.

    The image is padded by 35 pixels and the maps are cropped, as the authors' network does
    (https://github.com/s9xie/hed). Its weights were trained so: the padding fixes where the poolings fall on the image
    (with a padding of 1 the coarsest would lie two pixels off) and keeps what the deep layers see of the border out of
    the maps. A re-implementation that pads by 1 reports half a point less ODS on BSDS500 with the same weights. Within
    the margin the authors' fixed deconvolutions equal bilinear upsampling between pixel centres.

    Args:
        merged: Return the mean probability of the fusion and the five side outputs instead of the fusion alone. The
            paper's merged result has the better average precision, and the same ODS.
        init: Where VGG's layers start: "random", "vgg16" for torchvision's ImageNet weights, or a safetensors file (see
            `crispseg.models.vgg.vgg_state`). Side outputs start at 0 and the fusion at their mean. A file of
            `crispseg.models.saving.save_network` gives everything in it that fits.

    Raises:
        InputError: If the file cannot be used.

    Example:
        >>> HED()(torch.rand(1, 3, 20, 30)).shape
        torch.Size([1, 1, 20, 30])
    """

    gives: ClassVar[Literal["embedding", "scores", "boundary"]] = "boundary"
    shape: ClassVar[Mapping[str, Sequence[object]]] = {"merged": (False, True)}

    def __init__(self, *, merged: bool = False, init: str | Path = "random") -> None:
        super().__init__(merged=merged)
        self.trunk = nn.ModuleDict(
            {name: vgg_convolution(name, padding=_PADDING if name == "conv1_1" else 1) for name in VGG_LAYERS}
        )
        self.sides = nn.ModuleDict({name: nn.Conv2d(VGG_LAYERS[name][1], 1, 1) for name in SIDE_LAYERS})
        self.fuse = nn.Conv2d(len(SIDE_LAYERS), 1, 1)
        for parameter in (*self.sides.parameters(), *self.fuse.parameters()):
            nn.init.zeros_(parameter)
        nn.init.constant_(self.fuse.weight, 1 / len(SIDE_LAYERS))
        self.merged = merged
        self.start(init, self.trunk)

    def forward(self, image: Tensor) -> Tensor:
        """Detect boundaries.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            (N, 1, H, W), the probability that a pixel lies on a boundary; not thinned.
        """
        probabilities = self.logits(image).sigmoid()
        return probabilities.mean(1, keepdim=True) if self.merged else probabilities[:, -1:]

    def logits(self, image: Tensor) -> Tensor:
        """Return (N, 6, H, W) logits: the five side outputs from the finest to the coarsest, then the fusion."""
        x = self.normalise(image)
        height, width = image.shape[-2:]
        sides: list[Tensor] = []
        for name, convolution in self.trunk.items():
            if name.endswith("_1") and sides:
                x = F.max_pool2d(x, 2, ceil_mode=True)
            x = F.relu(convolution(x))
            if name in SIDE_LAYERS:
                side = _upsample(self.sides[name](x), 2 ** len(sides))
                sides.append(side[..., _MARGIN : _MARGIN + height, _MARGIN : _MARGIN + width])
        stacked = torch.cat(sides, 1)
        return torch.cat([stacked, self.fuse(stacked)], 1)


def _upsample(value: Tensor, scale: int) -> Tensor:
    if scale == 1:
        return value
    return F.interpolate(value, scale_factor=scale, mode="bilinear", align_corners=False)
