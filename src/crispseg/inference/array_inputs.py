"""Take images and arrays in the forms that users have: NumPy arrays, tensors, lists and Pillow images."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image as Picture
from torch import Tensor, nn

from crispseg.data.image import rgb_picture
from crispseg.errors import InputError

Array = NDArray[np.generic]


def as_image(image: object) -> Tensor:
    """Return an image as a (3, H, W) tensor, uint8 or floating point.

    Args:
        image: (H, W, 3) RGB as an array or a tensor, a (3, H, W) tensor, or a Pillow image in any 8-bit mode, which is
            converted to RGB, its transparency laid on white.

    Raises:
        InputError: If it is none of these.
        TypeError: If it is a module.
    """
    if isinstance(image, nn.Module):
        raise TypeError(f"image is {type(image).__name__}; expected the image first, and sharpener=... by its name")
    pixels = as_array("image", rgb_picture(image) if isinstance(image, Picture) else image)
    if isinstance(image, Tensor) and pixels.ndim == 3 and pixels.shape[0] == 3:
        pixels = pixels.transpose(1, 2, 0)
    colours = pixels.dtype == np.uint8 or np.issubdtype(pixels.dtype, np.floating)
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape or not colours:
        raise InputError(
            f"image is {pixels.dtype} {pixels.shape}; expected (H, W, 3) RGB, uint8 or floating point in [0, 1], as an "
            f"array or a Pillow image, or a tensor (3, H, W){_remedy(pixels, colours=colours)}"
        )
    return as_tensor(pixels).movedim(-1, 0)


def _remedy(image: Array, *, colours: bool) -> str:
    """Return what makes an array an image, if that can be told."""
    shape = image.shape
    if 0 in shape:
        return ", with at least one pixel"
    if image.ndim == 4 and shape[0] == 1:
        return ": pass one image as image[0]"
    if image.ndim == 3 and shape[0] == 3 and shape[2] != 3:
        return ": use .transpose(1, 2, 0)"
    if image.ndim == 3 and shape[2] == 4:
        return ": leave out transparency with image[..., :3]"
    if image.ndim == 2 or shape[2:] == (1,):
        return ": repeat grey with np.dstack([image] * 3)"
    return "" if colours else "; divide whole numbers by the one that means white, such as 65535"


def as_array(name: str, value: object) -> Array:
    """Return a value as a NumPy array in native byte order.

    Raises:
        InputError: If it cannot be converted, its dtype is not bool, integer or floating point, or NumPy masks a value.
    """
    if np.ma.is_masked(value):
        raise InputError(
            f"{name}: a NumPy array of which {np.ma.count_masked(value)} values are masked; expected values "  # type: ignore[no-untyped-call]
            "everywhere: give those a value with .filled(…)"
        )
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = value.float() if value.dtype == torch.bfloat16 else value
    try:
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{name} is {type(value).__name__}; expected a NumPy array ({error})") from error
    if isinstance(value, str | Path):
        raise InputError(f"{name} is a path; expected an array or a picture: open the file with PIL.Image.open")
    if array.dtype.kind not in "buif":
        raise InputError(f"{name} is {type(value).__name__} of {array.dtype}; expected an array of real numbers")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def as_tensor(array: Array) -> torch.Tensor:
    """Return an array of any strides as a tensor, copied if it is read-only; longdouble becomes float64."""
    known = array.astype(np.float64) if array.dtype == np.longdouble else array
    whole = np.ascontiguousarray(known)
    return torch.from_numpy(whole if whole.flags.writeable else whole.copy())
