"""Images of more than 8 bits, which Pillow would cut down to the upper 8 of each colour."""

import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image, ImageOps

from crispseg.errors import InputError

_WORDS = ("I;16", "I;16B", "I;16L", "I")
_OTHER_BYTE = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}
"""Pillow keeps the first or the last byte of a colour, as the name of the order says: the other one keeps the rest."""
_BITS_PER_SAMPLE, _PLANAR = 258, 284
_LARGEST = 65535


class DeepPixels(NamedTuple):
    """The pixels of a file, turned upright."""

    values: np.ndarray
    """(H, W, 1) greyscale or (H, W, 3) RGB, of 16 bits, more, or floating point."""
    alpha: np.ndarray | None
    """(H, W, 1) float32 in [0, 1], opaque being 1."""
    bits: int | None
    """That the numbers use; None for all of their type."""


def deep_pixels(image: Image.Image, path: Path) -> DeepPixels | None:
    """The numbers of an open image that holds more than 8 bits a colour; None for any other.

    Raises:
        InputError: If it holds them in a way that is not known here.
    """
    if image.mode in (*_WORDS, "F"):
        values = np.asarray(ImageOps.exif_transpose(image))[..., None]
        return DeepPixels(values, None, None if image.mode == "F" else _bits(image) or 16)
    raw = _raw_mode(image)
    if image.format == "TIFF" and (_bits(image) or 8) > 8 and (_is_planar(image) or ";16" not in raw):
        raise _unknown(path, "planes one after the other" if _is_planar(image) else f"colours as {raw}")
    if ";16" not in raw or raw.startswith("CMYK"):  # inks are for print, which 8 bits are enough for
        return None
    if raw.startswith("LA;16"):
        words = _joined(*np.split(_decoded(path, "RGBA"), 2, axis=-1))
        return DeepPixels(words[..., :1], words[..., 1:] / np.float32(_LARGEST), 16)
    if not raw.startswith(("RGB;", "RGBA;", "RGBX;")):
        raise _unknown(path, f"colours as {raw}")
    other = raw[:-4] + _OTHER_BYTE[raw[-4:]]
    words = np.stack([_decoded(path, raw), _decoded(path, other)], -1)
    words = (words[..., 0].astype(np.uint16) << 8) | words[..., 1]
    return DeepPixels(words[..., :3], words[..., 3:] / np.float32(_LARGEST) if words.shape[-1] == 4 else None, 16)


def _joined(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Greyscale and alpha, (H, W, 2) of bytes each, the upper before the lower, as (H, W, 2) words."""
    pairs = np.stack([first, second], -2).astype(np.uint16)
    words: np.ndarray = (pairs[..., 0] << 8) | pairs[..., 1]
    return words


def _decoded(path: Path, raw: str) -> np.ndarray:
    """(H, W, channels) of an image, upright, whose bytes are taken in the order of another raw mode."""
    with Image.open(path) as image:
        opened: Any = image
        opened.tile = [
            type(tile)(*tile[:3], raw if isinstance(tile[3], str) else (raw, *tile[3][1:])) for tile in opened.tile
        ]
        return np.asarray(ImageOps.exif_transpose(image))


def _raw_mode(image: Image.Image) -> str:
    """How Pillow names the order of bits and bytes in the file."""
    tiles: list[Any] = getattr(image, "tile", [])
    arguments = tiles[0][3] if tiles else ""
    raw = arguments if isinstance(arguments, str) else next(iter(arguments or ("",)), "")
    return raw if isinstance(raw, str) else ""


def _bits(image: Image.Image) -> int | None:
    """That a number of a TIFF file has, as its header says."""
    said = getattr(image, "tag_v2", {}).get(_BITS_PER_SAMPLE)
    return max(said) if said else None


def _is_planar(image: Image.Image) -> bool:
    return getattr(image, "tag_v2", {}).get(_PLANAR) == 2


def _unknown(path: Path, how: str) -> InputError:
    return InputError(
        f"image {path}: holds more than 8 bits a colour, {how}; write it with the colours of a pixel side by side and "
        "without premultiplied alpha, or give it to crispseg raster"
    )
