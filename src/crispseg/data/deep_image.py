"""Read images of more than 8 bits per channel, of which Pillow would keep only the upper 8."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from crispseg.errors import InputError

_WORDS = ("I;16", "I;16B", "I;16L", "I")
_OTHER_BYTE = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}
"""The raw mode of the opposite byte order: Pillow keeps one byte of each colour, and this mode keeps the other."""
_BITS_PER_SAMPLE, _PLANAR = 258, 284
_LARGEST = 65535


class DeepPixels(NamedTuple):
    """The pixels of a file, turned upright."""

    values: np.ndarray
    """(H, W, 1) greyscale or (H, W, 3) RGB, of 16 bits, more, or floating point."""
    alpha: np.ndarray | None
    """(H, W, 1) float32 in [0, 1]; 1 is opaque."""
    bits: int | None
    """The number of bits in use; None for all bits of the dtype."""


def deep_pixels(image: Image.Image, path: Path) -> DeepPixels | None:
    """Return the pixels of an open image that holds more than 8 bits per channel; None for any other image.

    Raises:
        InputError: If their layout in the file is not supported.
    """
    if image.mode in (*_WORDS, "F"):
        values = np.asarray(ImageOps.exif_transpose(image))[..., None]
        return DeepPixels(values, None, None if image.mode == "F" else _bits(image) or 16)
    raw = _raw_mode(image)
    if image.format == "TIFF" and (_bits(image) or 8) > 8 and (_is_planar(image) or ";16" not in raw):
        raise _unknown(path, "planes one after the other" if _is_planar(image) else f"colours as {raw}")
    if ";16" not in raw or raw.startswith("CMYK"):  # CMYK is for print: 8 bits are enough
        return None
    if raw.startswith("LA;16"):
        pairs = _decoded(path, "RGBA")
        words = _words(pairs[..., 0::2], pairs[..., 1::2])
        return DeepPixels(words[..., :1], words[..., 1:] / np.float32(_LARGEST), 16)
    if not raw.startswith(("RGB;", "RGBA;", "RGBX;")):
        raise _unknown(path, f"colours as {raw}")
    other = raw[:-4] + _OTHER_BYTE[raw[-4:]]
    words = _words(_decoded(path, raw), _decoded(path, other))
    return DeepPixels(words[..., :3], words[..., 3:] / np.float32(_LARGEST) if words.shape[-1] == 4 else None, 16)


def _words(upper: np.ndarray, lower: np.ndarray) -> np.ndarray:
    """Return 16-bit numbers, given their upper and lower bytes."""
    words: np.ndarray = (upper.astype(np.uint16) << 8) | lower
    return words


def _decoded(path: Path, raw: str) -> np.ndarray:
    """Return the (H, W, channels) pixels of an image, upright, decoded with the byte order of another raw mode."""
    with Image.open(path) as image:
        opened: Any = image
        opened.tile = [
            type(tile)(*tile[:3], raw if isinstance(tile[3], str) else (raw, *tile[3][1:])) for tile in opened.tile
        ]
        return np.asarray(ImageOps.exif_transpose(image))


def _raw_mode(image: Image.Image) -> str:
    """Return Pillow's name for the order of bits and bytes in the file."""
    tiles: list[Any] = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ""
    raw = arguments if isinstance(arguments, str) else next(iter(arguments or ("",)), "")
    return raw if isinstance(raw, str) else ""


def _bits(image: Image.Image) -> int | None:
    """Return the bits per channel in the header of a TIFF file; None where it has none."""
    said = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE)
    return max(said) if said else None


def _is_planar(image: Image.Image) -> bool:
    return getattr(image, "tag_v2", {}).get(_PLANAR) == 2


def _unknown(path: Path, how: str) -> InputError:
    return InputError(
        f"image {path}: holds more than 8 bits a colour, {how}; write it with the colours of a pixel side by side and "
        "without premultiplied alpha, or give it to crispseg raster"
    )
