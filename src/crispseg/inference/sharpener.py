"""The main job: an image and any network's scores in, crisp scores out."""

import copy
from importlib.resources import files
from pathlib import Path
from typing import Literal, Self

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.checks import check_choice, check_map
from crispseg.errors import InputError
from crispseg.models.embedding_net import load_embedding_net
from crispseg.nn import Affinity, LocalFilter
from crispseg.window import Window

DEFAULT_WINDOW = Window(9)
DEFAULT_HARDNESS = 3.0
DEFAULT_ITERATIONS = 15

SHIPPED_WEIGHTS = "embedding.safetensors"

_ASPECT_TOLERANCE = 1.05


class Sharpener(nn.Module):
    """Replace every score by an average over the pixels around it that belong with it, several times.

    Scores are filtered as probabilities: logits go through a softmax (a sigmoid when there is one channel) before, and
    through its inverse after.

    Args:
        embedding: Any module from (N, 3, H, W) RGB in [0, 1] to an (N, D, H, W) embedding, such as
            `crispseg.models.EmbeddingNet`; `torch.nn.Identity()` gives the RGB baseline.
        window: The neighbours that may contribute.
        hardness: λ of the weights exp(-λ·d): larger lets fewer neighbours contribute.
        iterations: How many times the filter is applied.
        norm: 1 or 2, the norm of the distance.
        scores: What the scores are, "logits" or "probabilities"; it is never guessed.

    Raises:
        InputError: If an option is not as above.

    Example:
        >>> sharpener = Sharpener.from_pretrained()
        >>> image = torch.randint(0, 256, (1, 3, 48, 64), dtype=torch.uint8)
        >>> logits = torch.randn(1, 21, 6, 8)
        >>> sharpener(image, logits).shape
        torch.Size([1, 21, 48, 64])
    """

    def __init__(
        self,
        embedding: nn.Module,
        *,
        window: Window = DEFAULT_WINDOW,
        hardness: float = DEFAULT_HARDNESS,
        iterations: int = DEFAULT_ITERATIONS,
        norm: int = 1,
        scores: Literal["logits", "probabilities"] = "logits",
    ) -> None:
        super().__init__()
        check_choice("scores", scores, ("logits", "probabilities"))
        self.embedding = embedding
        self.affinity = Affinity(window, hardness, norm=norm)
        self.filter = LocalFilter(window, iterations=iterations)
        self.scores = scores

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path | None = None,
        *,
        window: Window = DEFAULT_WINDOW,
        hardness: float = DEFAULT_HARDNESS,
        iterations: int = DEFAULT_ITERATIONS,
        norm: int = 1,
        scores: Literal["logits", "probabilities"] = "logits",
    ) -> Self:
        """A sharpener with trained weights: those that ship with the package, or a file that `crispseg train` wrote.

        The options default to what was tuned for the shipped weights; `crispseg tune` finds them for others.

        Raises:
            InputError: If the file is missing or does not hold an `EmbeddingNet`, or an option makes no sense.
        """
        network = load_embedding_net(shipped_weights() if weights is None else Path(weights))
        sharpener = cls(network, window=window, hardness=hardness, iterations=iterations, norm=norm, scores=scores)
        return sharpener.eval()

    def expecting(self, scores: Literal["logits", "probabilities"]) -> Self:
        """The same sharpener, weights shared, for scores of the given kind."""
        check_choice("scores", scores, ("logits", "probabilities"))
        other = copy.copy(self)
        other.scores = scores
        return other

    def forward(self, image: Tensor, scores: Tensor, *, output_size: tuple[int, int] | None = None) -> Tensor:
        """Sharpen a batch.

        Args:
            image: (N, 3, H, W) RGB, uint8, or floating point in [0, 1].
            scores: (N, C, h, w) logits or probabilities at any resolution; they are upsampled to the image.
            output_size: Height and width of the result; the image's by default.

        Returns:
            (N, C, *output_size) of the kind and dtype of `scores`: logits are log-probabilities.

        Raises:
            InputError: If shapes do not fit together, the aspect differs, values lie outside their range or scores
                are not finite.
            TypeError: If a dtype is not as above.
        """
        check_map("scores", scores)
        _check_fit(image, scores)
        rgb = _to_unit_range(image)
        if not torch.compiler.is_compiling():
            _check_values(rgb, scores, self.scores)
        size = (image.shape[-2], image.shape[-1])
        probabilities = to_probabilities(resize(scores.to(rgb.dtype), size), self.scores)
        crisp = self.filter(probabilities, self.affinity(self.embedding(rgb)))
        if output_size is not None:
            crisp = resize(crisp, output_size)
        return _from_probabilities(crisp, self.scores).to(scores.dtype)


def shipped_weights() -> Path:
    """The weights inside the package."""
    return Path(str(files("crispseg") / "weights" / SHIPPED_WEIGHTS))


def _to_unit_range(image: Tensor) -> Tensor:
    return image.float() / 255 if image.dtype == torch.uint8 else image


def resize(value: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) to (N, C, *size), bilinear between pixel centres."""
    if tuple(value.shape[-2:]) == tuple(size):
        return value
    return F.interpolate(value, size=size, mode="bilinear", align_corners=False)


def to_probabilities(scores: Tensor, kind: str) -> Tensor:
    """(N, C, H, W) scores of a kind as probabilities: a softmax, or a sigmoid for a single channel."""
    if kind == "probabilities":
        return scores
    return scores.sigmoid() if scores.shape[1] == 1 else scores.softmax(1)


def _from_probabilities(probabilities: Tensor, kind: str) -> Tensor:
    if kind == "probabilities":
        return probabilities
    smallest = torch.finfo(probabilities.dtype).tiny
    if probabilities.shape[1] == 1:
        return probabilities.clamp(min=smallest).log() - (1 - probabilities).clamp(min=smallest).log()
    return probabilities.clamp(min=smallest).log()


def _check_fit(image: Tensor, scores: Tensor) -> None:
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
    (height, width), (rows, columns) = image.shape[-2:], scores.shape[-2:]
    # A network rounds its grid to whole pixels, and may have resized to a multiple of its stride.
    lowest = min((rows + 1) / height, (columns + 1) / width) * _ASPECT_TOLERANCE
    highest = max((rows - 1) / height, (columns - 1) / width)
    if highest > lowest:
        raise InputError(
            f"image is {height}x{width} but its scores are {rows}x{columns}, of another aspect; expected scores of the "
            "whole image: cut off padding, or give the image that the network saw"
        )


def _check_values(rgb: Tensor, scores: Tensor, kind: str) -> None:
    if rgb.numel() and not (rgb.min() >= 0 and rgb.max() <= 1):
        raise InputError(
            f"image runs from {rgb.min():.4g} to {rgb.max():.4g}; expected uint8, or floating point in [0, 1] before "
            "any normalisation"
        )
    if not torch.isfinite(scores).all():
        raise InputError("scores hold NaN or infinity; expected finite numbers")
    if kind == "probabilities" and scores.numel() and not (scores.min() >= 0 and scores.max() <= 1):
        raise InputError(
            f"scores run from {scores.min():.4g} to {scores.max():.4g}; expected probabilities in [0, 1], or "
            'Sharpener(..., scores="logits")'
        )
