"""Quantise colours to words: the first half of the soft segmentation of Leordeanu et al. (2012)."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses

_LEVELS = (15, 11, 7)
"""The number of levels of hue, saturation and value."""

WORDS = _LEVELS[0] * _LEVELS[1] * _LEVELS[2]

_LONG_SIDE = 300
_EPSILON = np.finfo(np.float64).eps


def stretch(values: np.ndarray) -> np.ndarray:
    """Shift and scale values to [0, 1]; constant values become 0.

    Example:
        >>> stretch(np.array([3.0, 4.0, 7.0])).tolist()
        [0.0, 0.25, 1.0]
    """
    shifted: np.ndarray = values - values.min()
    return shifted / float(shifted.max() + _EPSILON)


def colour_words(image: np.ndarray) -> np.ndarray:
    """Return the colour of every pixel as one of 1155 words, after scaling the image to a long side of 300 pixels.

    Args:
        image: (3, H, W) RGB, float64.

    Returns:
        (h, w) int64, 0 to 1154.
    """
    stretched = np.stack([stretch(channel) for channel in image])
    small = np.rint(255 * _shrink(stretched)) / 255
    words = np.zeros(small.shape[1:], dtype=np.int64)
    for channel, levels in zip(hue_saturation_value(small), _LEVELS, strict=True):
        words = words * levels + np.rint(stretch(channel) * (levels - 1)).astype(np.int64)
    return words


def hue_saturation_value(rgb: np.ndarray) -> np.ndarray:
    """Convert (3, ...) RGB in [0, 1] to (3, ...) hue, saturation and value in [0, 1]; grey has hue 0."""
    red, green, blue = rgb
    value = rgb.max(0)
    spread = value - rgb.min(0)
    grey = spread == 0
    divisor = np.where(grey, 1, spread)
    hue = np.select(
        [value == red, value == green],
        [(green - blue) / divisor, 2 + (blue - red) / divisor],
        4 + (red - green) / divisor,
    )
    saturation = spread / np.where(value == 0, 1, value)
    return np.stack([np.where(grey, 0, hue / 6 % 1), saturation, value])


def resize_bicubic(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize (C, h, w) maps to (C, *size) by bicubic interpolation, with antialiasing when shrinking."""
    resized = F.interpolate(torch.from_numpy(maps)[None], size=size, mode="bicubic", antialias=True)
    return resized[0].numpy()


def _shrink(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[1:]
    scale = _LONG_SIDE / max(height, width)
    return resize_bicubic(image, (max(round(height * scale), 1), max(round(width * scale), 1))).clip(0, 1)
