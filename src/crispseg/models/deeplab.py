"""The DeepLab networks that the paper sharpens (Chen et al. 2015, https://arxiv.org/abs/1412.7062)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.models.network import Network, resize_corners
from crispseg.models.vgg import VGG_CLASSIFIER, VGG_LAYERS, start_at_random, vgg_convolution
from crispseg.nn.strided_conv import StridedConv2d

_POOL_STRIDE = {"conv1_2": 2, "conv2_2": 2, "conv3_3": 2, "conv4_3": 1, "conv5_3": 1}
"""Stride of the pooling after each of these layers; the last two keep the resolution, and later layers are dilated."""

# Where each branch taps, its channels, its stride in training, and the deviations that its three layers start with.
_BRANCHES = {
    "image": (3, 8, (0.001, 0.001, 0.01)),
    "pool1": (64, 4, (0.001, 0.001, 0.01)),
    "pool2": (128, 2, (0.001, 0.001, 0.01)),
    "pool3": (256, 1, (0.001, 0.001, 0.0)),  # the released training leaves its last layer at Caffe's default
    "pool4": (512, 1, (0.001, 0.005, 0.01)),
}
_BRANCH_WIDTH = 128
_CLASSES = range(1, 65537)


class DeepLabTrunk(nn.Module):
    """VGG-16 with 3×3 poolings, its last block and `fc6` dilated, so that its stride is 8."""

    def __init__(self) -> None:
        super().__init__()
        for name in VGG_LAYERS:
            spread = 2 if name.startswith("conv5") else 1
            self.add_module(name, vgg_convolution(name, padding=spread, dilation=spread))
        self.fc6 = nn.Conv2d(512, 1024, 3, padding=12, dilation=12)
        self.fc7 = nn.Conv2d(1024, 1024, 1)
        for convolution in (self.fc6, self.fc7):
            start_at_random(convolution)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Return the maps `pool1` to `pool5` and `fc7` of a normalised image."""
        maps: dict[str, Tensor] = {}
        for name in VGG_LAYERS:
            x = F.relu(self.get_submodule(name)(x))
            if name in _POOL_STRIDE:
                x = F.max_pool2d(x, 3, _POOL_STRIDE[name], padding=1, ceil_mode=True)
                maps[f"pool{len(maps) + 1}"] = x
        x = F.avg_pool2d(x, 3, stride=1, padding=1)
        x = self.dropout(F.relu(self.fc6(x)))
        maps["fc7"] = self.dropout(F.relu(self.fc7(x)))
        return maps


class Branch(nn.Module):
    """Scores from one early layer: 3×3, 1×1 and 1×1 convolutions.

    Args:
        inputs: Channels of the layer.
        num_classes: Channels of the scores.
        deviations: Standard deviations of the Gaussians that initialise the three convolutions.
    """

    def __init__(self, inputs: int, num_classes: int, deviations: tuple[float, float, float]) -> None:
        super().__init__()
        self.conv = StridedConv2d(inputs, _BRANCH_WIDTH, 3, padding=1)
        self.fc = nn.Conv2d(_BRANCH_WIDTH, _BRANCH_WIDTH, 1)
        self.scores = nn.Conv2d(_BRANCH_WIDTH, num_classes, 1)
        self.dropout = nn.Dropout(0.5)
        for convolution, deviation in zip((self.conv, self.fc, self.scores), deviations, strict=True):
            _start_gaussian(convolution, deviation)

    def forward(self, x: Tensor, stride: int) -> Tensor:
        """Score every `stride`-th position of an (N, inputs, H, W) map: (N, classes, ⌈H / stride⌉, ⌈W / stride⌉)."""
        x = self.dropout(F.relu(self.conv(x, stride=stride)))
        scores: Tensor = self.scores(self.dropout(F.relu(self.fc(x))))
        return scores


class DeepLabLargeFOV(Network):
    """DeepLab-LargeFOV: a dilated VGG-16 with a linear classifier, 20.5 million parameters for 21 classes.

    Args:
        num_classes: Channels of the scores.
        init: Where the weights start: "random"; "vgg16" for torchvision's ImageNet weights or a safetensors file of
            VGG's layers (see `crispseg.models.vgg.vgg_state`), after which `fc8` starts at random; or a file of
            `crispseg.models.saving.save_network`, from which every weight that fits is taken: all but `fc8` where the
            classes differ. The log warns of layers that a file does not hold.

    Raises:
        InputError: If `num_classes` is not from 1 to 65536, or the file cannot be used.

    Example:
        >>> import torch
        >>> network = DeepLabLargeFOV(num_classes=4)
        >>> network(torch.rand(1, 3, 33, 25)).shape
        torch.Size([1, 4, 5, 4])
    """

    shape: ClassVar[Mapping[str, Sequence[object]]] = {"num_classes": _CLASSES}
    align_corners = True
    """The first and the last score lie on the corners of the image."""

    def __init__(self, num_classes: int = 21, *, init: str | Path = "random") -> None:
        super().__init__(num_classes=num_classes)
        self.trunk = DeepLabTrunk()
        self.fc8 = _classifier(num_classes)
        self.num_classes = num_classes
        self.start(init, self.trunk, (*VGG_LAYERS, *VGG_CLASSIFIER))

    def forward(self, image: Tensor) -> Tensor:
        """Score an image.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            (N, classes, h, w) logits at an eighth of the resolution: 321 pixels give 41, 513 give 65. The first and
            the last lie on the corners of the image; upsample them with `align_corners=True`.
        """
        scores: Tensor = self.fc8(self.trunk(self.normalise(image))["fc7"])
        return scores


class DeepLabMSc(Network):
    """DeepLab-MSc-LargeFOV, the paper's baseline: LargeFOV, and five branches on the image and the first four poolings.

    The six scores are summed. In evaluation mode every branch works at its full resolution and every pixel is scored;
    in training mode the branches are strided and the scores lie at an eighth of the resolution, as they were trained.

    Args:
        num_classes: Channels of the scores.
        init: As for `DeepLabLargeFOV`; the branches start at small Gaussians unless the file holds a `DeepLabMSc`. The
            released network was trained from a trained LargeFOV whose trunk and `fc8` were kept fixed.

    Raises:
        InputError: If `num_classes` is not from 1 to 65536, or the file cannot be used.

    Example:
        >>> import torch
        >>> network = DeepLabMSc(num_classes=4)
        >>> network.eval()(torch.rand(1, 3, 33, 25)).shape
        torch.Size([1, 4, 33, 25])
        >>> network.train()(torch.rand(1, 3, 33, 25)).shape
        torch.Size([1, 4, 5, 4])
    """

    shape: ClassVar[Mapping[str, Sequence[object]]] = {"num_classes": _CLASSES}
    align_corners = True
    """The first and the last score lie on the corners of the image."""

    def __init__(self, num_classes: int = 21, *, init: str | Path = "random") -> None:
        super().__init__(num_classes=num_classes)
        self.trunk = DeepLabTrunk()
        self.fc8 = _classifier(num_classes)
        self.branches = nn.ModuleDict(
            {name: Branch(inputs, num_classes, deviations) for name, (inputs, _, deviations) in _BRANCHES.items()}
        )
        self.num_classes = num_classes
        self.start(init, self.trunk, (*VGG_LAYERS, *VGG_CLASSIFIER))

    def forward(self, image: Tensor) -> Tensor:
        """Score an image.

        Args:
            image: (N, 3, H, W), RGB in [0, 1], floating point.

        Returns:
            Logits: (N, classes, H, W) in evaluation mode; in training mode (N, classes, h, w) at an eighth of the
            resolution, 41 of 321 pixels, with the first and the last on the corners of the image.
        """
        maps = self.score_maps(image)
        height, width = (maps["fc8"] if self.training else image).shape[-2:]
        total = resize_corners(maps.pop("fc8"), (height, width))
        for scores in maps.values():
            total = total + resize_corners(scores, (height, width))
        return total

    def score_maps(self, image: Tensor) -> dict[str, Tensor]:
        """Return the six (N, classes, h, w) logits that `forward` sums, each at its own resolution."""
        x = self.normalise(image)
        maps = self.trunk(x) | {"image": x}
        scores = {"fc8": self.fc8(maps["fc7"])}
        for name, branch in self.branches.items():
            stride = _BRANCHES[name][1] if self.training else 1
            scores[name] = branch(maps[name], stride)
        return scores


def _classifier(num_classes: int) -> nn.Conv2d:
    classifier = nn.Conv2d(1024, num_classes, 1)
    _start_gaussian(classifier, 0.01)
    return classifier


def _start_gaussian(convolution: nn.Conv2d, deviation: float) -> None:
    nn.init.normal_(convolution.weight, std=deviation)
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
