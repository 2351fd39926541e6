"""Reading any photograph as RGB."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from crispseg.data.files import check_readable
from crispseg.errors import InputError
from crispseg.reading import parsed

_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I")


def read_image(path: Path) -> Tensor:
    """Read an image file as RGB, turned upright.

    The rotation in EXIF is applied; transparency is laid on white; greyscale, palette and CMYK are converted; 16-bit
    greyscale is scaled to 8 bits.

    Returns:
        (3, H, W) uint8.

    Raises:
        InputError: If the file is missing, truncated, of unknown kind, larger than Pillow's safety limit, or holds
            floating-point values.
    """
    with opened(path, "image") as image:
        pixels = np.asarray(_to_rgb(ImageOps.exif_transpose(image), path))
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


@contextmanager
def opened(path: Path, what: str) -> Iterator[Image.Image]:
    """Open an image file, and turn whatever goes wrong while it is read into an error that names it."""
    check_readable(path, what)
    with parsed(path, what, "damaged or truncated; write it again"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(path) as image:
                    yield image
        except UnidentifiedImageError as error:
            raise InputError(
                f"{what} {path}: not an image that Pillow can read; expected PNG, JPEG or the like"
            ) from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputError(f"{what} {path}: too large to open safely ({error}); {_in_parts(path, what)}") from error


def _in_parts(path: Path, what: str) -> str:
    """What to do with a picture that is too large."""
    if "boundary" in what:
        return "make it smaller: it may be of any size of the aspect of its image"
    image, said = (path, "PREDICTION") if what == "image" else ("IMAGE", path)
    return f"sharpen it in parts: crispseg raster {image} --prediction {said} --output labels.tif"


def _to_rgb(image: Image.Image, path: Path) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"image {path}: values from {values.min()} to {values.max()}; expected 0 to 65535")
        image = Image.fromarray((values // 257).astype(np.uint8))
    if image.mode == "F":
        raise InputError(f"image {path}: holds floating-point values; convert it to 8 or 16 bits")
    if image.has_transparency_data:
        foreground = image.convert("RGBA")
        background = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(background, foreground)
    return image.convert("RGB")
