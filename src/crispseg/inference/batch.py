"""Batches of images with what was said of them: checked, brought to one size, scores to probabilities and back."""

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.checks import check_map, has_values, is_finite, value_range
from crispseg.data.prediction import TOLERANCE
from crispseg.errors import InputError
from crispseg.scores import Scores

_ASPECT_TOLERANCE = 1.05


def resize(value: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) to (N, C, *size), bilinear between pixel centres."""
    # An exported program would take scores of the size of the image only, or of any other size only.
    if not torch.compiler.is_exporting() and tuple(value.shape[-2:]) == tuple(size):
        return value
    return F.interpolate(value, size=size, mode="bilinear", align_corners=False)


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
    if not is_finite(scores):
        raise InputError("scores hold NaN or infinity; expected finite numbers")
    low, high = value_range(scores) if kind == "probabilities" else (0, 1)
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise InputError(
            f"scores run from {low:.4g} to {high:.4g}; expected probabilities in [0, 1], or "
            'Sharpener(..., scores="logits")'
        )
