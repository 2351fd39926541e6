"""The colours of labels, and images tinted by them."""

import colorsys
import math

import torch
from torch import Tensor

from crispseg.data.intensity import to_bytes
from crispseg.data.labels import default_palette

_OPACITY = 0.55


def label_colours(palette: tuple[int, ...] | None, highest: int) -> Tensor:
    """Return (labels, 3) colours, 0 to 255, up to the highest label; a default if the palette is None or too short."""
    flat = palette if palette is not None and len(palette) // 3 > highest else default_palette(highest + 1)
    return torch.tensor(flat, dtype=torch.float32).reshape(-1, 3)


def overlay(image: Tensor, labels: Tensor, colours: Tensor) -> Tensor:
    """Return a (3, H, W) image tinted by the colours of its (H, W) labels."""
    image = to_bytes(image)
    tint = colours.T.contiguous()[:, labels]  # one plane for each channel, like the image
    return ((1 - _OPACITY) * image + _OPACITY * tint).round().to(torch.uint8)


def object_palette(count: int) -> tuple[int, ...]:
    """Return a palette for objects: black for label 0, which is beside them all, then hues far from each other.

    Example:
        >>> object_palette(3)
        (0, 0, 0, 255, 38, 146, 83, 255, 38)
    """
    turn = (math.sqrt(5) - 1) / 2  # of the colour wheel: the next hue is never near an earlier one
    hues = (colorsys.hsv_to_rgb((0.917 + n * turn * turn) % 1, 0.85, 1) for n in range(max(count - 1, 0)))
    return (0, 0, 0, *(round(255 * channel) for hue in hues for channel in hue))
