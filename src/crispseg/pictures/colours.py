"""The colours of labels, and images tinted by them."""

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
