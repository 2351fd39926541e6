"""The filter where masks may change, and only there: all other pixels keep their values, and are averaged from."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.data.box import Box
from crispseg.window import Level, Window


class Uncertain(NamedTuple):
    """A mask in the part of the image in which it may change."""

    values: Tensor
    """(*part.size) probabilities."""
    free: Tensor
    """(*part.size) bool: the pixels that may change."""
    part: Box


def filter_bands(
    masks: Sequence[Uncertain], levels: Sequence[Level], weights: Callable[[Window], Tensor], region: Box
) -> list[Tensor]:
    """Return the filtered (*part.size) probabilities of masks.

    Args:
        masks: The masks; every part contains the neighbours of its free pixels that lie in the image.
        levels: The windows and their passes.
        weights: A function that returns the (1, K, *region.size) weights of a window.
        region: A box of the image that holds all parts.
    """
    values = [mask.values.clone() for mask in masks]
    for window, passes in levels:
        here = weights(window)
        for mask, value in zip(masks, values, strict=True):
            _filter(mask, value, here[0][(..., *mask.part.within(region).slices)], window, passes)
    return values


def _filter(mask: Uncertain, value: Tensor, weights: Tensor, window: Window, passes: int) -> None:
    """Filter the free pixels of (*part.size) values in place."""
    at = mask.free.flatten().nonzero()[:, 0]
    if not len(at):
        return
    height, width = value.shape
    each = weights.flatten(1)[:, at].T.contiguous()
    each = each / each.sum(1, keepdim=True).clamp(min=torch.finfo(each.dtype).tiny)
    radius = window.radius
    wide = F.pad(value, (radius,) * 4)
    row, column = at // width + radius, at % width + radius
    stride = width + 2 * radius
    offsets = torch.tensor([down * stride + across for down, across in window.offsets], device=at.device)
    centre = row * stride + column
    flat, near = wide.flatten(), centre[:, None] + offsets
    for _ in range(passes):
        flat[centre] = (flat[near] * each).sum(1)
    value.copy_(flat.reshape(height + 2 * radius, stride)[radius : radius + height, radius : radius + width])
