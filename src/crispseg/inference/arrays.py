"""Sharpen NumPy arrays and Pillow images."""

import numpy as np
import torch
from torch import Tensor

from crispseg.data.kinds import check_kind
from crispseg.data.soft_masks import is_soft
from crispseg.errors import InputError
from crispseg.grid import Grid
from crispseg.inference.array_inputs import Array, as_array, as_image, as_tensor
from crispseg.inference.checks import check_fit, check_scores
from crispseg.inference.label_maps import sharpen_label_map
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.used_sharpener import used_sharpener
from crispseg.scores import Scores


@torch.inference_mode()
def sharpen_array(
    image: object,
    prediction: object,
    sharpener: Sharpener | None = None,
    *,
    scores: Scores | None = None,
    grid: Grid | str | None = None,
    device: torch.device | str | None = None,
) -> Array:
    """Sharpen the prediction of any program for one image.

    Args:
        image: (H, W, 3) RGB, uint8 or floating point in [0, 1], as an array or a Pillow image, or a tensor (3, H, W).
        prediction: (C, h, w) floating-point scores, or an (h, w) label map of integers or bools, with any number of
            labels; at any resolution, as an array, a tensor or a Pillow image. The numbers of a Pillow image (modes P,
            L, 1 and I) are labels, whatever its palette.
        sharpener: The sharpener, on the device of its weights; by default `Sharpener.from_pretrained()`.
        scores: The kind of scores, such as "probabilities"; None for the sharpener's kind, and for label maps.
        grid: How the prediction lies on the image; None for the sharpener's grid.
        device: The device of the default sharpener; the CPU by default.

    Returns:
        (C, H, W) scores or an (H, W) label map, in the dtype of `prediction`.

    Raises:
        InputError: If an argument is not as above, the two do not fit together, or the scores are of another kind.
        TypeError: If `sharpener` is something else than a `Sharpener`.

    Example:
        >>> image = np.zeros((12, 16, 3), np.uint8)
        >>> sharpen_array(image, np.eye(3, 4, dtype=np.uint8)).shape
        (12, 16)
    """
    rgb = as_image(image)
    used = used_sharpener(sharpener, device)
    used = used.expecting(used.scores if scores is None else scores, grid)
    given = as_array("prediction", prediction)
    if given.ndim == 2 and given.dtype.kind in "bui":
        if scores is not None:
            raise InputError(f"scores is {scores!r}, but the prediction is a label map; expected scores=None")
        return sharpen_label_map(rgb, _labels(given), used).numpy().astype(given.dtype)
    if given.ndim == 3 and given.dtype.kind == "f":
        return _sharpen_scores(used, rgb, as_tensor(given)).numpy().astype(given.dtype)
    raise InputError(
        f"prediction is {given.dtype} {given.shape}; expected floating-point scores (C, h, w), or an integer label map "
        f"(h, w){_remedy(given)}"
    )


def _labels(given: Array) -> Tensor:
    """Return an (h, w) label map as int64."""
    if given.dtype == np.uint64 and given.size and given.max() > np.iinfo(np.int64).max:
        raise InputError(f"prediction holds label {given.max()}; expected labels below 2**63")
    labels = as_tensor(given.astype(np.int64))
    if is_soft(labels):
        raise InputError(
            "prediction holds gradual greys like a soft mask; expected labels: to sharpen a soft mask, pass (1, h, w) "
            "probabilities, array[None] / 255.0, with scores='probabilities'"
        )
    return labels


def _sharpen_scores(sharpener: Sharpener, rgb: Tensor, scores: Tensor) -> Tensor:
    """Return the sharpened (C, H, W) scores on the CPU."""
    check_fit(rgb[None], scores[None], sharpener.grid, sharpener.scores)
    check_scores(scores, sharpener.scores)
    check_kind(scores, sharpener.scores)
    crisp: Tensor = sharpener(rgb[None].to(sharpener.device), scores[None].to(sharpener.device))
    return crisp[0].cpu()


def _remedy(given: Array) -> str:
    """Return what makes an array scores or a label map, if that can be told."""
    whole = given.dtype.kind in "ui"
    if given.ndim == 4 and len(given) == 1:
        return ": pass those of one image as prediction[0]"
    if given.ndim == 2:
        return ": pass one channel of scores as prediction[None], and labels as prediction.astype(int)"
    if whole and given.ndim == 3 and 1 in (given.shape[0], given.shape[2]):
        return ": pass one label map as prediction.squeeze(), and 8-bit probabilities of one class divided by 255"
    if whole and given.ndim == 3 and given.shape[2] in (3, 4):
        return ": give each colour of a picture the number of its class"
    if whole and given.ndim == 3:
        return "; integer scores have no known scale: divide 8-bit probabilities by 255"
    return ""
