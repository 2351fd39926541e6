"""Batches of images with what was said of them: checked, and brought to one size."""

import math

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.checks import check_map, has_values, value_range
from crispseg.data.prediction import TOLERANCE
from crispseg.errors import InputError
from crispseg.scores import PROBABILITIES, Scores

_ASPECT_TOLERANCE = 1.05


def resize(value: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) to (N, C, *size), bilinear between pixel centres."""
    # An exported program would take scores of the size of the image only, or of any other size only.
    if not torch.compiler.is_exporting() and tuple(value.shape[-2:]) == tuple(size):
        return value
    return F.interpolate(value, size=size, mode="bilinear", align_corners=False)


def check_fit(image: Tensor, scores: Tensor) -> None:
    """Images and scores of one number, device and aspect.

    Raises:
        InputError: If they do not fit together.
        TypeError: If the dtype of one is not floating point, nor uint8 for the image.
    """
    check_map("scores", scores)
    if image.ndim != 4 or image.shape[1] != 3:
        raise InputError(f"image has shape {tuple(image.shape)}; expected (N, 3, H, W), one image being image[None]")
    if image.dtype != torch.uint8:
        check_map("image", image)
    if image.shape[0] != scores.shape[0]:
        raise InputError(f"{image.shape[0]} images but scores for {scores.shape[0]}; expected one for each")
    if image.device != scores.device:
        raise InputError(f"image is on {image.device}, scores on {scores.device}; move both to one device")
    if 0 in image.shape[-2:] or 0 in scores.shape[1:]:
        raise InputError(f"image {tuple(image.shape)} or scores {tuple(scores.shape)} have no pixels or no channels")
    if not torch.compiler.is_exporting():  # of sizes that are not known yet
        check_aspect("scores", (scores.shape[-2], scores.shape[-1]), (image.shape[-2], image.shape[-1]))


def check_aspect(what: str, size: tuple[int, int], image_size: tuple[int, int]) -> None:
    """A size in pixels that is of the whole image, whatever its resolution.

    Raises:
        InputError: If the aspect is another.
    """
    (rows, columns), (height, width) = size, image_size
    # A network rounds its grid to whole pixels, and may have resized to a multiple of its stride.
    lowest = min((rows + 1) / height, (columns + 1) / width) * _ASPECT_TOLERANCE
    highest = max((rows - 1) / height, (columns - 1) / width)
    if highest > lowest:
        raise InputError(
            f"image is {height}x{width} but its {what} are {rows}x{columns}, of another aspect; expected {what} of "
            "the whole image, upright as EXIF says: cut off padding, or give the image that the network saw"
        )


def to_colours(image: Tensor, dtype: torch.dtype) -> Tensor:
    """(N, 3, H, W) uint8 or floating point in [0, 1], which is checked where it has values, to the latter.

    Raises:
        InputError: If a value lies outside.
    """
    if image.dtype == torch.uint8:
        return image.to(dtype) / 255
    rgb = image.to(dtype)
    low, high = value_range(rgb) if has_values() else (0, 1)
    if not (low >= 0 and high <= 1):
        raise InputError(
            f"image runs from {low:.4g} to {high:.4g}; expected uint8, or floating point in [0, 1] before any "
            "normalisation"
        )
    return rgb


def check_scores(scores: Tensor, kind: Scores) -> None:
    """Scores that are finite and of their kind.

    Raises:
        InputError: If one is not.
    """
    low, high = value_range(scores)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise InputError("scores hold NaN or infinity; expected finite numbers")
    largest = max(-low, high)
    if largest > torch.finfo(torch.float32).max:
        raise InputError(f"scores are as large as {largest:.4g}; expected numbers that float32 holds, up to 3.4e38")
    if kind not in PROBABILITIES:
        return
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise InputError(
            f"scores run from {low:.4g} to {high:.4g}; expected probabilities in [0, 1], or "
            f'Sharpener(..., scores="{"logits" if kind == "probabilities" else "multilabel"}")'
        )
