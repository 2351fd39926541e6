"""Batches of images with what was said of them: checked, and brought to one size."""

import math

import torch
from torch import Tensor

from crispseg.checks import check_map, has_values, is_finite, value_range
from crispseg.cues import Cue
from crispseg.data.box import Box
from crispseg.data.prediction import TOLERANCE
from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid, Line
from crispseg.inference.shares import Shares
from crispseg.ops.interpolation import inside, resample
from crispseg.scores import MULTILABEL, PROBABILITIES, Scores


def resize(value: Tensor, size: tuple[int, int], grid: Grid = CENTRES) -> Tensor:
    """(N, C, h, w) that lie on an image as a grid says to (N, C, *size), its height and width, bilinear."""
    # An exported program would take scores of the size of the image only, or of any other size only.
    if not torch.compiler.is_exporting():
        lines = grid.lines(size, (value.shape[-2], value.shape[-1]))
        if all(line.is_identity for line in lines):
            return value
    return resample(value, size, grid)


def resize_scores(scores: Tensor, size: tuple[int, int], grid: Grid, kind: Scores) -> Tensor:
    """(N, C, h, w) scores to (N, C, *size) of the same kind; where there are none no label is likely."""
    resized = resize(scores, size, grid)
    blank = uncovered(grid.lines(size, (scores.shape[-2], scores.shape[-1])), grid, scores.device)
    if blank is None:
        return resized
    unlikely = Shares.of(torch.zeros_like(scores[:1, :, :1, :1]), kind).without(torch.tensor(data=True)).scores()
    return torch.where(blank, unlikely, resized)


def uncovered(
    lines: tuple[Line, Line], grid: Grid, device: torch.device | None, box: Box | None = None
) -> Tensor | None:
    """(H, W) bool of an image, or of a part of it: where a grid leaves pixels without scores; None where it cannot."""
    if not grid.is_free:
        return None
    top, left, bottom, right = box or (0, 0, lines[0].resized, lines[1].resized)
    rows, columns = inside(top, bottom, lines[0], device), inside(left, right, lines[1], device)
    return ~(rows[:, None] & columns)


def check_fit(image: Tensor, scores: Tensor, grid: Grid, kind: Scores) -> None:
    """Images and scores of one number and device, that lie on them as a grid says.

    Raises:
        InputError: If they do not fit together.
        TypeError: If the dtype of one is not floating point, nor uint8 for the image.
    """
    for name, value in (("image", image), ("scores", scores)):
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{name} is {type(value).__name__}; expected a tensor: `crispseg.sharpen_array` takes NumPy arrays and "
                "pictures of Pillow"
            )
    check_map("scores", scores)
    if image.ndim != 4 or image.shape[1] != 3:
        raise InputError(f"image has shape {tuple(image.shape)}; expected (N, 3, H, W), one image being image[None]")
    if image.dtype != torch.uint8:
        check_map("image", image)
    if image.shape[0] != scores.shape[0]:
        raise InputError(f"{image.shape[0]} images but scores for {scores.shape[0]}; expected one for each")
    if image.device != scores.device:
        raise InputError(f"image is on {image.device}, scores on {scores.device}; move both to the same device")
    if 0 in image.shape[-2:] or 0 in scores.shape[1:]:
        raise InputError(f"image {tuple(image.shape)} or scores {tuple(scores.shape)} have no pixels or no channels")
    if not torch.compiler.is_exporting():  # of sizes that are not known yet
        size = image.shape[-2], image.shape[-1]
        check_place(size, (scores.shape[-2], scores.shape[-1]), scores.shape[1], grid, kind)


def check_place(size: tuple[int, int], scores: tuple[int, int], channels: int, grid: Grid, kind: Scores) -> None:
    """Scores (rows, columns) that lie on an image (height, width) as a grid says.

    Raises:
        InputError: If they cannot, or pixels are left of which nothing is said and one of several classes must be.
    """
    try:
        grid.check("scores", size, scores)
    except InputError as error:
        if not is_turned((channels, *scores), size):
            raise
        raise InputError(
            f"scores are {channels}x{scores[0]}x{scores[1]}, which fits an image of {size[0]}x{size[1]} if the classes "
            "come last; expected (C, h, w): turn them by .transpose(2, 0, 1) for arrays, .movedim(-1, -3) for tensors"
        ) from error
    if kind not in MULTILABEL and channels > 1 and not grid.covers(size, scores):
        raise InputError(
            f"grid={grid} leaves a part of the image, which is {size[0]}x{size[1]}, without scores; expected scores of "
            "every pixel, where one of several classes must be the right one: crop the image to the box, or say "
            "multilabel of labels that do not exclude each other"
        )


def is_turned(scores: tuple[int, ...], image: tuple[int, int]) -> bool:
    """Return whether scores have the aspect of an image of (height, width) as (h, w, C), and not as (C, h, w)."""
    if len(scores) != 3 or 0 in scores:
        return False
    (a, b, c), aspect = scores, image[0] / image[1]
    return abs(math.log(a / b / aspect)) < 0.1 < abs(math.log(b / c / aspect))


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


def check_filtered(values: Tensor, cue: Cue, features: Tensor) -> None:
    """Refuse filtered values that are not finite, which only a cue can have done: scores are checked before.

    Looking at the result costs a hundredth of looking at features and weights, which are only looked at to say why.

    Args:
        values: What the filter gives.
        cue: Gave the weights.
        features: Of the cue.

    Raises:
        InputError: If a value is NaN or infinite, where there are values to look at.
    """
    if not has_values() or is_finite(values):
        return
    kind, bad = type(cue).__name__, int((~torch.isfinite(features)).any(1).sum())
    if bad:
        pixels = features.shape[0] * features.shape[-2] * features.shape[-1]
        raise InputError(
            f"{kind} gives features that are NaN or infinite at {bad} of {pixels} pixels; expected finite ones: look "
            "for a division by 0 or a logarithm in the cue, or for weights that broke in training"
        )
    raise InputError(
        f"{kind} gives distances or weights of which the filter makes NaN; expected distances of 0 or more, infinite "
        "only to neighbours outside the image, or weights of 0 or more: look for 0 / 0 or inf - inf in the cue"
    )
