"""Read and write label maps as indexed or greyscale images."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from crispseg.data.image import opened
from crispseg.data.numbering import HIGHEST_LABEL
from crispseg.errors import InputError
from crispseg.writing import written_whole

LABEL_SUFFIXES = (".png", ".bmp", ".gif", ".tif", ".tiff")

_MODES = ("P", "L", "1", "I;16", "I;16B", "I;16L", "I")


@dataclass(frozen=True)
class LabelMap:
    """Labels with the colours they are shown in."""

    labels: Tensor
    """(H, W) int64."""
    palette: tuple[int, ...] | None
    """Red, green, blue of label 0, of label 1, …; None for a greyscale file."""


def read_labels(path: Path | str) -> LabelMap:
    """Read a label map: one whole number per pixel.

    Raises:
        InputError: If the file is missing, damaged, in colour, or holds a label that its palette does not.
    """
    path = Path(path)
    with opened(path, "label map") as image:
        if image.mode not in _MODES:
            raise InputError(
                f"label map {path}: its pixels are {image.mode}; expected an indexed or greyscale image, one label "
                f"number a pixel: {_remedy(np.asarray(image))}"
            )
        labels = torch.from_numpy(np.asarray(image).astype(np.int64))
        colours = image.getpalette() if image.mode == "P" else None
    if labels.min() < 0 or labels.max() > HIGHEST_LABEL:
        low, high = labels.min(), labels.max()
        raise InputError(f"label map {path}: labels from {low} to {high}; expected 0 to {HIGHEST_LABEL}")
    if colours is not None and int(labels.max()) >= len(colours) // 3:
        raise InputError(
            f"label map {path}: label {int(labels.max())} is beyond its palette of {len(colours) // 3} colours; "
            "write it with a palette for every label"
        )
    return LabelMap(labels, tuple(colours) if colours is not None else None)


def _remedy(pixels: np.ndarray) -> str:
    """Return what makes the pixels of a picture labels."""
    if pixels.dtype.kind == "f":
        return "save them as whole numbers"
    if pixels.ndim == 3 and (pixels.shape[2] == 2 or (pixels[..., :3] == pixels[..., :1]).all()):
        return "its colours are greys, so save the first channel alone, as with .convert('L') of Pillow"
    return "give each colour the number of its class first"


def write_labels(path: Path | str, labels: Tensor, palette: tuple[int, ...] | None = None) -> None:
    """Write a label map as PNG, whole or not at all.

    Args:
        path: Ends in .png.
        labels: (H, W) whole numbers, 0 to 65535.
        palette: Red, green, blue of each label; None writes greyscale (16-bit above label 255).

    Raises:
        InputError: If the file cannot be written, or a label lies outside the range or the palette.
    """
    path = Path(path)
    highest = int(labels.max()) if labels.numel() else 0
    limit = len(palette) // 3 if palette is not None else HIGHEST_LABEL + 1
    if highest >= limit or (labels.numel() and int(labels.min()) < 0):
        raise InputError(f"{path}: labels from {int(labels.min())} to {highest}; expected 0 to {limit - 1}")
    pixels = labels.cpu().numpy().astype(np.uint16 if highest > 255 else np.uint8)
    image = Image.fromarray(pixels)
    if palette is not None:
        image.putpalette(palette)
    with written_whole(path) as temporary:
        image.save(temporary, format="PNG")


def shrink_labels(labels: Tensor, height: int, width: int, *, align_corners: bool = False) -> Tensor:
    """Return (N, H, W) labels at a lower resolution, by the nearest pixel: labels are never blended.

    Args:
        labels: Labels of any dtype.
        height: Height of the result.
        width: Width of the result.
        align_corners: Whether the result keeps the first and the last row and column; otherwise each pixel is the
            middle of the pixels that it replaces.

    Example:
        >>> shrink_labels(torch.arange(5).expand(1, 5, 5), 1, 3, align_corners=True)
        tensor([[[0, 2, 4]]])
    """

    def places(length: int, count: int) -> Tensor:
        steps = torch.arange(count, device=labels.device)  # whole numbers: no rounding takes a neighbour
        if align_corners:
            return (2 * steps * (length - 1) + count - 1) // max(2 * (count - 1), 1)
        return (2 * steps + 1) * length // (2 * count)

    return labels[..., places(labels.shape[-2], height)[:, None], places(labels.shape[-1], width)]


def default_palette(count: int = 256) -> tuple[int, ...]:
    """Return a palette with distinct colours for neighbouring labels: label bits spread over the high colour bits.

    This is the colour map of the PASCAL VOC development kit.

    Example:
        >>> default_palette(3)
        (0, 0, 0, 128, 0, 0, 0, 128, 0)
    """
    colours = []
    for label in range(count):
        red, green, blue = (sum(((label >> (3 * bit + c)) & 1) << (7 - bit) for bit in range(8)) for c in range(3))
        colours += [red, green, blue]
    return tuple(colours)
