"""Sharpen NumPy arrays and Pillow images."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image as Picture

from crispseg.data.image import rgb_picture
from crispseg.data.kinds import check_kind
from crispseg.data.soft_masks import is_soft
from crispseg.errors import InputError
from crispseg.grid import Grid
from crispseg.inference.batch import check_fit, check_scores
from crispseg.inference.label_maps import sharpen_label_map
from crispseg.inference.sharpener import Sharpener

Array = NDArray[np.generic]


@torch.inference_mode()
def sharpen_array(sharpener: Sharpener, image: object, prediction: object, *, grid: Grid | str | None = None) -> Array:
    """Sharpen the prediction of any program for one image.

    Args:
        sharpener: The sharpener, which runs on the device of its weights.
        image: (H, W, 3) RGB, uint8 or floating point in [0, 1]: an array of any layout; anything that NumPy can
            convert to an array, such as a tensor; or a Pillow image in any 8-bit mode, which is converted to RGB, its
            transparency laid on white.
        prediction: Likewise (C, h, w) floating-point scores of the kind that the sharpener expects, or an (h, w) label
            map of integers or bools, with any number of labels, at any resolution. The numbers of a Pillow image
            (modes P, L, 1 and I) are labels, whatever its palette.
        grid: How the prediction lies on the image; None for the sharpener's grid.

    Returns:
        (C, H, W) scores or an (H, W) label map, in the dtype of `prediction`.

    Raises:
        InputError: If an array is not as above, the two do not fit together, or the scores are not of the expected
            kind.
        TypeError: If the sharpener is none.

    Example:
        >>> image = np.zeros((12, 16, 3), np.uint8)
        >>> sharpen_array(Sharpener.from_pretrained(), image, np.eye(3, 4, dtype=np.uint8)).shape
        (12, 16)
    """
    if not isinstance(sharpener, Sharpener):
        raise TypeError(
            f"sharpener is {type(sharpener).__name__}; expected a crispseg.Sharpener first, then the image and its "
            "prediction"
        )
    if grid is not None:
        sharpener = sharpener.expecting(sharpener.scores, grid)
    if isinstance(image, Picture):
        image = rgb_picture(image)
    pixels, said = as_array("image", image), as_array("prediction", prediction)
    _check_image(pixels)
    rgb = as_tensor(pixels).movedim(-1, 0)
    if said.ndim == 2 and (said.dtype == np.bool_ or np.issubdtype(said.dtype, np.integer)):
        if said.dtype == np.uint64 and said.size and said.max() > np.iinfo(np.int64).max:
            raise InputError(f"prediction holds label {said.max()}; expected labels below 2**63")
        labels = as_tensor(said.astype(np.int64))
        if is_soft(labels):
            raise InputError(
                "prediction holds gradual greys like a soft mask; expected labels: to sharpen a soft mask, pass (1, h, "
                "w) probabilities, array[None] / 255.0, with Sharpener(..., scores='probabilities')"
            )
        return sharpen_label_map(sharpener, rgb, labels).numpy().astype(said.dtype)
    if said.ndim == 3 and np.issubdtype(said.dtype, np.floating):
        scores = as_tensor(said)
        check_fit(rgb[None], scores[None], sharpener.grid, sharpener.scores)
        check_scores(scores, sharpener.scores)
        check_kind(scores, sharpener.scores)
        return _sharp(sharpener, rgb, scores).numpy().astype(said.dtype)
    raise InputError(
        f"prediction is {said.dtype} {said.shape}; expected floating-point scores (C, h, w), or an integer label map "
        f"(h, w){_remedy(said)}"
    )


def sharpened_function(function: Callable[[Array], Array], sharpener: Sharpener) -> Callable[[Array], Array]:
    """Return a function that calls another, from an image to a prediction as NumPy arrays, and sharpens its result."""
    return lambda image: sharpen_array(sharpener, image, function(image))


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


def _remedy(said: Array) -> str:
    """Return what makes an array scores or a label map, if that can be told."""
    whole = bool(np.issubdtype(said.dtype, np.integer))
    if said.ndim == 4 and len(said) == 1:
        return ": pass those of one image as prediction[0]"
    if said.ndim == 2:
        return ": pass one channel of scores as prediction[None], and labels as prediction.astype(int)"
    if whole and said.ndim == 3 and said.shape[2] in (3, 4):
        return ": give each colour of a picture the number of its class"
    if whole and said.ndim == 3:
        return "; integer scores have no known scale: divide 8-bit probabilities by 255"
    return ""


def _check_image(image: Array) -> None:
    colours = image.dtype == np.uint8 or np.issubdtype(image.dtype, np.floating)
    shape, remedy = image.shape, ""
    if image.ndim == 3 and shape[0] == 3 and shape[2] != 3:
        remedy = ": use .transpose(1, 2, 0)"
    elif image.ndim == 4 and shape[0] == 1:
        remedy = ": pass one image as image[0]"
    elif image.ndim == 3 and shape[2] == 4:
        remedy = ": leave out transparency with image[..., :3]"
    elif image.ndim == 2 or shape[2:] == (1,):
        remedy = ": repeat grey with np.dstack([image] * 3)"
    elif not colours:
        remedy = "; divide whole numbers by the one that means white, such as 65535"
    if image.ndim != 3 or shape[2] != 3 or not colours:
        raise InputError(
            f"image is {image.dtype} {shape}; expected (H, W, 3) RGB, uint8, or floating point in [0, 1]{remedy}"
        )


def as_tensor(array: Array) -> torch.Tensor:
    """Return an array of any strides as a tensor, copied if it is read-only; longdouble becomes float64."""
    known = array.astype(np.float64) if array.dtype == np.longdouble else array
    whole = np.ascontiguousarray(known)
    return torch.from_numpy(whole if whole.flags.writeable else whole.copy())


def _sharp(sharpener: Sharpener, rgb: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """Return the sharpened (C, H, W) scores on the CPU."""
    device = sharpener.device
    return cast(torch.Tensor, sharpener(rgb[None].to(device), scores[None].to(device)))[0].cpu()
