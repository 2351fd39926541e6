"""The main job on NumPy arrays."""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray

from crispseg.data.prediction import Prediction
from crispseg.errors import InputError
from crispseg.inference.sharpener import Sharpener

Array = NDArray[np.generic]


@torch.inference_mode()
def sharpen_array(sharpener: Sharpener, image: Array, prediction: Array) -> Array:
    """Sharpen what any program said of one image.

    Args:
        sharpener: Does the work, on the device where its weights are.
        image: (H, W, 3) RGB, uint8, or floating point in [0, 1].
        prediction: (C, h, w) floating-point scores of the kind that the sharpener expects, or a label map (h, w) of
            whole numbers, at any resolution.

    Returns:
        (C, H, W) scores, or an (H, W) label map, of the dtype that was given.

    Raises:
        InputError: If an array is not as above, or they do not fit together.

    Example:
        >>> image = np.zeros((12, 16, 3), np.uint8)
        >>> sharpen_array(Sharpener.from_pretrained(), image, np.eye(3, 4, dtype=np.uint8)).shape
        (12, 16)
    """
    _check_image(image)
    rgb = _tensor(image).movedim(-1, 0)
    if prediction.ndim == 2 and np.issubdtype(prediction.dtype, np.integer):
        said = Prediction.of_labels(_tensor(prediction.astype(np.int64)))
        crisp = _sharp(sharpener.expecting("probabilities"), rgb, said.scores)
        return said.labels(crisp).numpy().astype(prediction.dtype)
    if prediction.ndim == 3 and np.issubdtype(prediction.dtype, np.floating):
        return _sharp(sharpener, rgb, _tensor(prediction)).numpy()
    raise InputError(
        f"prediction is {prediction.dtype} {prediction.shape}; expected floating-point scores (C, h, w), or a label "
        "map (h, w) of whole numbers"
    )


def sharpened_function(function: Callable[[Array], Array], sharpener: Sharpener) -> Callable[[Array], Array]:
    """A function from an image to a prediction, both NumPy arrays, and a sharpener behind it."""
    return lambda image: sharpen_array(sharpener, image, function(image))


def _check_image(image: Array) -> None:
    colours = image.dtype == np.uint8 or np.issubdtype(image.dtype, np.floating)
    if image.ndim != 3 or image.shape[2] != 3 or not colours:
        raise InputError(
            f"image is {image.dtype} {image.shape}; expected (H, W, 3) RGB, uint8, or floating point in [0, 1]"
        )


def _tensor(array: Array) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array))


def _sharp(sharpener: Sharpener, rgb: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
    """(C, H, W) on the CPU."""
    device = sharpener.device
    return cast(torch.Tensor, sharpener(rgb[None].to(device), scores[None].to(device)))[0].cpu()
