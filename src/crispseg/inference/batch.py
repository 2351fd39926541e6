"""Batches of images with what was said of them: checked, brought to one size, scores to probabilities and back."""

import torch
from torch import Tensor

from crispseg.checks import check_map, has_values, is_finite, value_range
from crispseg.data.box import Box
from crispseg.data.prediction import TOLERANCE
from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid, Line
from crispseg.ops.interpolation import inside, resample
from crispseg.scores import Scores


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
    if not grid.is_free:
        return resized
    unlikely = from_probabilities(torch.zeros(1, scores.shape[1], 1, 1), kind).max().item()
    return blank_outside(resized, grid.lines(size, (scores.shape[-2], scores.shape[-1])), grid, unlikely)


def blank_outside(
    value: Tensor, lines: tuple[Line, Line], grid: Grid, blank: float = 0, box: Box | None = None
) -> Tensor:
    """(N, C, H, W) of an image, or of a part of it, blank where a grid leaves pixels without scores."""
    if not grid.is_free:
        return value
    top, left, bottom, right = box or (0, 0, lines[0].resized, lines[1].resized)
    rows, columns = inside(top, bottom, lines[0], value.device), inside(left, right, lines[1], value.device)
    return value.masked_fill(~(rows[:, None] & columns), blank)


def to_probabilities(scores: Tensor, kind: Scores) -> Tensor:
    """(N, C, H, W) scores to probabilities: logits by a softmax, or by a sigmoid where a channel stands for itself."""
    if kind == "probabilities":
        return scores
    if kind != "multilabel" and torch.compiler.is_exporting():
        return torch.where(_is_alone(scores), scores.sigmoid(), scores.softmax(1))
    return scores.sigmoid() if _binary(scores, kind) else scores.softmax(1)


def from_probabilities(probabilities: Tensor, kind: Scores) -> Tensor:
    """The way back: (N, C, H, W) probabilities to scores of the given kind."""
    if kind == "probabilities":
        return probabilities.clamp(0, 1)
    smallest = torch.finfo(probabilities.dtype).tiny
    logs = probabilities.clamp(min=smallest).log()
    if kind != "multilabel" and torch.compiler.is_exporting():
        return torch.where(_is_alone(probabilities), logs - _logs_of_rest(probabilities, smallest), logs)
    return logs - _logs_of_rest(probabilities, smallest) if _binary(probabilities, kind) else logs


def _logs_of_rest(probabilities: Tensor, smallest: float) -> Tensor:
    return (1 - probabilities).clamp(min=smallest).log()


def _is_alone(scores: Tensor) -> Tensor:
    """Whether there is one channel, as a tensor: found when an exported program runs, not when it is made."""
    return torch.scalar_tensor(scores.shape[1], device=scores.device) == 1


def _binary(scores: Tensor, kind: Scores) -> bool:
    """Whether every channel is one label against all else."""
    return kind == "multilabel" or scores.shape[1] == 1


def check_fit(image: Tensor, scores: Tensor, grid: Grid, kind: Scores) -> None:
    """Images and scores of one number and device, that lie on them as a grid says.

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
        size = image.shape[-2], image.shape[-1]
        check_place(size, (scores.shape[-2], scores.shape[-1]), scores.shape[1], grid, kind)


def check_place(size: tuple[int, int], scores: tuple[int, int], channels: int, grid: Grid, kind: Scores) -> None:
    """Scores (rows, columns) that lie on an image (height, width) as a grid says.

    Raises:
        InputError: If they cannot, or pixels are left of which nothing is said and one of several classes must be.
    """
    grid.check("scores", size, scores)
    if kind != "multilabel" and channels > 1 and not grid.covers(size, scores):
        raise InputError(
            f"grid={grid} leaves a part of the image, which is {size[0]}x{size[1]}, without scores; expected scores of "
            "every pixel, where one of several classes must be the right one: crop the image to the box, or say "
            '"multilabel" of logits of labels that do not exclude each other'
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
    if not is_finite(scores):
        raise InputError("scores hold NaN or infinity; expected finite numbers")
    low, high = value_range(scores) if kind == "probabilities" else (0, 1)
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise InputError(
            f"scores run from {low:.4g} to {high:.4g}; expected probabilities in [0, 1], or "
            'Sharpener(..., scores="logits")'
        )
