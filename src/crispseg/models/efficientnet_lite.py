"""The first stages of EfficientNet-Lite0 (Tan and Le 2019), with its normalisation folded into the convolutions.

The weights come from a safetensors file of the state of the package `efficientnet-lite-pytorch` (Apache-2.0).
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from crispseg.errors import InputError
from crispseg.models.state import load_state
from crispseg.models.vgg import start_at_random

STEM = 32
"""Channels of the first convolution, at half the resolution."""

STAGES = (
    ((16, 3, 1, 1),),
    ((24, 3, 2, 6), (24, 3, 1, 6)),
    ((40, 5, 2, 6), (40, 5, 1, 6)),
    ((80, 3, 2, 6), (80, 3, 1, 6), (80, 3, 1, 6), (112, 5, 1, 6), (112, 5, 1, 6), (112, 5, 1, 6)),
)
"""Blocks at 1/2, 1/4, 1/8 and 1/16 of the resolution: channels, kernel size, stride, and factor of the expansion."""

MEAN, STD = (0.498, 0.498, 0.498), (0.502, 0.502, 0.502)
"""Normalisation of RGB in [0, 1] that its ImageNet weights were trained with: (x - 127) / 128 in 0..255."""

_EPSILON = 1e-3


class InvertedResidual(nn.Module):
    """Expand by a 1×1 convolution, convolve each channel, and project by a 1×1 convolution (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = inputs * expansion
        self.residual = inputs == outputs and stride == 1
        self.expand = nn.Conv2d(inputs, inner, 1) if expansion > 1 else None
        self.depthwise = nn.Conv2d(inner, inner, size, stride, size // 2, groups=inner)
        self.project = nn.Conv2d(inner, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Return (N, outputs, H / stride, W / stride) features of (N, inputs, H, W)."""
        inner = x if self.expand is None else nn.functional.relu6(self.expand(x), inplace=True)
        projected: Tensor = self.project(nn.functional.relu6(self.depthwise(inner), inplace=True))
        return projected + x if self.residual else projected


class EfficientNetLite(nn.Module):
    """The stages of EfficientNet-Lite0 from 1/2 to 1/16 of the resolution; the rest of the network is left out.

    Example:
        >>> [tuple(stage.shape[1:]) for stage in EfficientNetLite()(torch.rand(1, 3, 32, 48))]
        [(16, 16, 24), (24, 8, 12), (40, 4, 6), (112, 2, 3)]
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, STEM, 3, stride=2, padding=1)
        channels, stages = STEM, []
        for blocks in STAGES:
            made = []
            for outputs, size, stride, expansion in blocks:
                made.append(InvertedResidual(channels, outputs, size, stride, expansion))
                channels = outputs
            stages.append(nn.Sequential(*made))
        self.stages = nn.ModuleList(stages)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                start_at_random(module)

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of the features at 1/2, 1/4, 1/8 and 1/16 of the resolution."""
        return tuple(blocks[-1][0] for blocks in STAGES)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the features at 1/2, 1/4, 1/8 and 1/16 of a normalised image whose sides are multiples of 16."""
        features = []
        x = nn.functional.relu6(self.stem(x), inplace=True)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features

    def load_imagenet(self, path: Path) -> None:
        """Load a safetensors file of EfficientNet-Lite0 as `efficientnet-lite-pytorch` names its weights.

        Raises:
            InputError: If the file is missing, is not safetensors, or lacks one of these layers in this shape.
        """
        state = load_state(path, "weights")
        _fold(self.stem, state, "_conv_stem", "_bn0", path)
        blocks = [block for stage in self.stages for block in stage]  # type: ignore[attr-defined]
        for index, block in enumerate(blocks):
            name = f"_blocks.{index}"
            if block.expand is not None:
                _fold(block.expand, state, f"{name}._expand_conv", f"{name}._bn0", path)
            _fold(block.depthwise, state, f"{name}._depthwise_conv", f"{name}._bn1", path)
            _fold(block.project, state, f"{name}._project_conv", f"{name}._bn2", path)


def _fold(convolution: nn.Conv2d, state: Mapping[str, Tensor], name: str, norm: str, path: Path) -> None:
    """Copy a convolution, multiplied by the normalisation that follows it."""
    parts = [f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
    for needed in (f"{name}.weight", *parts):
        shape = convolution.weight.shape if needed == f"{name}.weight" else convolution.weight.shape[:1]
        if needed not in state or state[needed].shape != shape:
            raise InputError(
                f"weights {path}: no {needed} of shape {tuple(shape)}; expected EfficientNet-Lite0 with the names of "
                "the package efficientnet-lite-pytorch"
            )
    weight, bias, mean, variance = (state[part].double() for part in parts)
    factor = weight / (variance + _EPSILON).sqrt()
    with torch.no_grad():
        convolution.weight.copy_(state[f"{name}.weight"].double() * factor[:, None, None, None])
        if convolution.bias is not None:
            convolution.bias.copy_(bias - mean * factor)
