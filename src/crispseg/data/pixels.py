"""Images and scores that are read in parts."""

from typing import Protocol

import torch
from torch import Tensor

from crispseg.data.box import Box


class Pixels(Protocol):
    """A map of pixels, in memory or in a file."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""

    @property
    def channels(self) -> int:
        """Values of a pixel."""

    def read(self, box: Box) -> Tensor:
        """(channels, *box.size) of a part."""


class TensorPixels:
    """A (channels, H, W) tensor as `Pixels`."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.tensor.shape[-2], self.tensor.shape[-1]

    @property
    def channels(self) -> int:
        """Values of a pixel."""
        return self.tensor.shape[0]

    def read(self, box: Box) -> Tensor:
        """A view of a part."""
        rows, columns = box.slices
        return self.tensor[:, rows, columns]


def read_resized(pixels: Pixels, size: tuple[int, int], box: Box) -> Tensor:
    """A part of what `pixels` would be if all of it were resized, bilinear between pixel centres.

    Args:
        pixels: Floating point, or of their own size.
        size: Height and width of all of it, resized.
        box: The part, in pixels of that size.

    Returns:
        (channels, *box.size).

    Example:
        >>> whole = torch.rand(1, 3, 5, 7)
        >>> resized = torch.nn.functional.interpolate(whole, size=(20, 30), mode="bilinear")
        >>> part = read_resized(TensorPixels(whole[0]), (20, 30), Box(3, 11, 9, 30))
        >>> torch.testing.assert_close(part, resized[0, :, 3:9, 11:30])
    """
    if pixels.size == size:
        return pixels.read(box)
    (top, bottom), rows = _sources(box.top, box.bottom, pixels.size[0], size[0])
    (left, right), columns = _sources(box.left, box.right, pixels.size[1], size[1])
    part = pixels.read(Box(top, left, bottom, right))
    return _blend(_blend(part, -2, rows), -1, columns)


Sources = tuple[Tensor, Tensor, Tensor]
"""Of every pixel: the index of the source before it, of the one behind it, and the share of the latter."""


def _sources(start: int, stop: int, length: int, resized: int) -> tuple[tuple[int, int], Sources]:
    """First and last source of the pixels from `start` to `stop`, and the sources of each, counted from the first."""
    # In float32 and in this order, as PyTorch computes where a pixel falls.
    scale = torch.tensor(length, dtype=torch.float32) / resized
    position = ((torch.arange(start, stop) + 0.5) * scale - 0.5).clamp(min=0)
    before = position.floor().long().clamp(max=length - 1)
    behind = (before + 1).clamp(max=length - 1)
    first, last = int(before[0]), int(behind[-1]) + 1
    return (first, last), (before - first, behind - first, position - before)


def _blend(part: Tensor, axis: int, sources: Sources) -> Tensor:
    before, behind, share = (value.to(part.device) for value in sources)
    share = share.to(part.dtype)
    if axis == -2:
        share = share[:, None]
    return part.index_select(axis, before) * (1 - share) + part.index_select(axis, behind) * share
