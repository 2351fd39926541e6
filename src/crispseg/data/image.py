"""Read any photograph as RGB."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from crispseg.data.deep_image import deep_pixels
from crispseg.data.files import check_readable
from crispseg.data.intensity import Intensities, ValueRange, to_bytes
from crispseg.errors import InputError, naming
from crispseg.reading import parsed

_OF_SEVERAL = ("TIFF", "GIF", "PNG", "WEBP")
"""Formats that may hold several pages or frames. In others, such as phones' MPO, the first is the photograph."""
_SUBFILE_TYPE, _SMALLER_OR_MASK = 254, 1 | 4
"""TIFF's tag for the use of a page, and its bits for a smaller copy of the image and for its mask."""


def read_image(path: Path | str, value_range: ValueRange = "auto") -> Tensor:
    """Read an image file as RGB, turned upright.

    The rotation in EXIF is applied; transparency is laid on white; greyscale, palette and CMYK are converted. Images of
    more than 8 bits per channel keep their depth.

    Args:
        path: The file.
        value_range: The values of black and white: "full" for the range of the file's dtype, 0 and 1 for floating
            point; "percentiles" for the 2nd and 98th percentile of the image, over all channels; two numbers; or
            "auto": "full" for 8 bits, and for more where they are used, otherwise "percentiles", with a warning in the
            log.

    Returns:
        (3, H, W) uint8; float32 in [0, 1] if the file has more than 8 bits per channel or another range was given.

    Raises:
        InputError: If the file is missing, truncated, of unknown kind or larger than Pillow's safety limit, or
            `value_range` is not as above.
    """
    image, known = ranged_image(Path(path), value_range)
    known.tell(path, once=True)
    return image


def ranged_image(path: Path, value_range: ValueRange = "auto") -> tuple[Tensor, Intensities]:
    """Return an image as `read_image` does, and the values of black and white in its file; nothing is logged."""
    with opened(path, "image") as image:
        deep = deep_pixels(image, path)
        with naming(path):
            pixels = np.asarray(rgb_picture(ImageOps.exif_transpose(image))) if deep is None else deep.values
    with naming(path):
        known = Intensities.of(pixels, value_range, bits=None if deep is None else deep.bits)
    if pixels.dtype == np.uint8 and not known.estimated and value_range in ("auto", "full"):
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1), known
    scaled = known.scale(pixels)
    if np.isnan(scaled).any():
        raise InputError(f"image {path}: {int(np.isnan(scaled).sum())} of its values are NaN; fill them first")
    if deep is not None and deep.alpha is not None:
        scaled = scaled * deep.alpha + (1 - deep.alpha)
    return torch.from_numpy(scaled).permute(2, 0, 1).expand(3, -1, -1).contiguous(), known


@contextmanager
def opened(path: Path, what: str) -> Iterator[Image.Image]:
    """Open an image file, and convert any failure while it is read into an `InputError` that names it."""
    check_readable(path, what)
    with parsed(path, what, "damaged or truncated; write it again"):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # of files that are damaged, which is said below
                warnings.simplefilter("error", Image.DecompressionBombWarning)
                with Image.open(path) as image:
                    _refuse_several(image, path, what)
                    yield image
        except UnidentifiedImageError as error:
            raise InputError(
                f"{what} {path}: not an image that Pillow can read; expected a PNG, JPEG or other image file"
            ) from error
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputError(f"{what} {path}: too large to open safely ({error}); {_in_parts(path, what)}") from error


def _refuse_several(image: Image.Image, path: Path, what: str) -> None:
    """Refuse a file of several pages or frames, of which only the first would be read."""
    if image.format not in _OF_SEVERAL or not getattr(image, "is_animated", False):
        return
    if image.format == "TIFF":
        size = image.size
        image.seek(1)
        is_page = image.size == size and not image.getexif().get(_SUBFILE_TYPE, 0) & _SMALLER_OR_MASK
        image.seek(0)
        if not is_page:
            return
    raise InputError(f"{what} {path}: holds several pages or frames; expected one: save each as a file of its own")


def _in_parts(path: Path, what: str) -> str:
    """Return the remedy for a picture that is too large."""
    if "boundary" in what:
        return "make it smaller: it may be of any size of the aspect of its image"
    image, said = (path, "PREDICTION") if what == "image" else ("IMAGE", path)
    return f"sharpen it in parts: crispseg raster {image} --predictions {said} --output labels.tif"


def as_picture(image: Tensor) -> Image.Image:
    """Return a (3, H, W) image, uint8 or in [0, 1], as a Pillow image."""
    return Image.fromarray(np.ascontiguousarray(to_bytes(image).permute(1, 2, 0).numpy()))


def rgb_picture(picture: Image.Image) -> Image.Image:
    """Return a Pillow image of 8 bits per channel as RGB, with transparency laid on white.

    Raises:
        InputError: If it has more bits, of which Pillow would cut off those above the eighth, or Pillow cannot convert
            it.

    Example:
        >>> rgb_picture(Image.new("LA", (1, 1), (0, 0))).getpixel((0, 0))
        (255, 255, 255)
    """
    mode = picture.mode
    if mode in ("I", "F") or mode.startswith("I;"):
        raise InputError(
            f"image is a Pillow image of mode {mode}; expected 8 bits per channel: pass its values as an array, "
            "(H, W, 3) floating point in [0, 1], or the tensor that crispseg.data.read_image returns for its file"
        )
    try:
        if picture.has_transparency_data:
            foreground = picture.convert("RGBA")
            picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), foreground)
        return picture.convert("RGB")
    except ValueError as error:
        raise InputError(
            f"image is a Pillow image of mode {mode}, which Pillow cannot convert to RGB ({error}); expected RGB"
        ) from error
