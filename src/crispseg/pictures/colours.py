"""The colours of labels and of embeddings, and images tinted by those of labels."""

import colorsys
import math

import torch
from torch import Tensor

from crispseg.data.intensity import to_bytes
from crispseg.data.labels import default_palette
from crispseg.precision import widest

_OPACITY = 0.55

_CLIPPED = 0.01
"""The share of pixels that are clipped at either end of a principal component."""

_AT_ONCE = 1 << 20
"""Pixels that are converted to a wider dtype at a time."""


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


def principal_components(embedding: Tensor) -> Tensor:
    """Return the three principal components of a (D, H, W) embedding over all pixels as (3, H, W) uint8.

    Each component is stretched to the whole range and clips one percent of the pixels at either end. Missing components
    are grey.
    """
    pixels, wide = embedding.flatten(1), widest(embedding.device)
    mean = pixels.mean(1, dtype=wide)[:, None]
    chunks = torch.split(pixels, _AT_ONCE, dim=1)  # the whole embedding in float64 would double its memory
    scatter = torch.stack([(chunk - mean) @ (chunk - mean).T for chunk in chunks]).sum(0)
    vectors = torch.linalg.eigh(scatter.cpu()).eigenvectors.to(embedding.device).flip(1)[:, :3]
    # The sign of an eigenvector is arbitrary: the largest entry is made positive, so that the colours are stable.
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    directions = (vectors * largest.sign()).T
    components = torch.cat([directions @ (chunk - mean) for chunk in chunks], dim=1)
    ordered = components.sort(1).values
    last = ordered.shape[1] - 1
    low, high = (ordered[:, round(share * last)][:, None] for share in (_CLIPPED, 1 - _CLIPPED))
    stretched = torch.full((3, pixels.shape[1]), 0.5, dtype=wide)
    spread = (high - low).clamp(min=torch.finfo(wide).tiny)
    stretched[: len(components)] = ((components - low) / spread).clamp(0, 1).cpu()
    return (255 * stretched).round().to(torch.uint8).reshape(3, *embedding.shape[1:])
