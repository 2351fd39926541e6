"""What the networks have in common: they stand on VGG, normalise their input and know what they were made with."""

import logging
from collections.abc import Iterable
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.checks import check_image
from crispseg.models.vgg import VGG_MEAN, VGG_STD, vgg_state

_log = logging.getLogger(__name__)


class Network(nn.Module):
    """A network from RGB in [0, 1], on convolutions of VGG.

    Args:
        arguments: What makes the same network without its weights; `save_network` notes it beside them.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, **arguments: str | int | bool) -> None:
        super().__init__()
        self.arguments = arguments
        self.register_buffer("mean", torch.tensor(VGG_MEAN))
        self.register_buffer("std", torch.tensor(VGG_STD))

    def normalise(self, image: Tensor) -> Tensor:
        """What the first convolution takes of an image (N, 3, H, W), RGB in [0, 1]."""
        check_image(image)
        x = (image - self.mean[:, None, None]) / self.std[:, None, None]
        # Convolutions are a third faster with the channels of a pixel side by side.
        return x.contiguous(memory_format=torch.channels_last)

    def start_from_vgg(self, convolutions: nn.Module, source: str | Path, layers: Iterable[str]) -> None:
        """Load the layers that `vgg_state` finds, and say which it does not: they stay as they are, at random."""
        layers = tuple(layers)
        state = vgg_state(source, layers)
        self.mean.copy_(state.pop("mean"))
        convolutions.load_state_dict(state, strict=False)
        say_random_start(source, [name for name in layers if f"{name}.weight" not in state])


def say_random_start(source: str | Path, names: list[str]) -> None:
    """Warn that a file does not hold some of the layers."""
    if names:
        _log.warning("weights %s: no %s; they start at random", source, ", ".join(names))


def resize_corners(value: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) to (N, C, *size), bilinear from corner to corner, as Caffe's networks upsample.

    After 3×3 poolings of stride 2 with padding 1 a coarse pixel lies on every second pixel, and an image of 2k + 1
    pixels has its first and last on the corners.
    """
    if tuple(value.shape[-2:]) == tuple(size):
        return value
    return F.interpolate(value, size=size, mode="bilinear", align_corners=True)
