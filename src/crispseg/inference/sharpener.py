"""The main job: an image and any network's scores in, crisp scores out."""

import copy
from importlib.resources import files
from pathlib import Path
from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.checks import check_choice, check_map
from crispseg.data.prediction import TOLERANCE, ScoreKind
from crispseg.errors import InputError
from crispseg.models.embedding_net import load_embedding_net
from crispseg.nn import Affinity, LocalFilter
from crispseg.window import Window

DEFAULT_WINDOW = Window(9)
DEFAULT_HARDNESS = 5.0
DEFAULT_ITERATIONS = 25

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
        scores: ScoreKind = "logits",
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
        scores: ScoreKind = "logits",
    ) -> Self:
        """A sharpener with trained weights: those that ship with the package, or a file that `crispseg train` wrote.

        The options default to what was tuned for the shipped weights; `crispseg tune` finds them for others.

        Raises:
            InputError: If the file is missing or does not hold an `EmbeddingNet`, or an option makes no sense.
        """
        network = load_embedding_net(shipped_weights() if weights is None else Path(weights))
        sharpener = cls(network, window=window, hardness=hardness, iterations=iterations, norm=norm, scores=scores)
        return sharpener.eval()

    def expecting(self, scores: ScoreKind) -> Self:
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
        if output_size is not None and min(output_size) < 1:
            raise InputError(f"output_size is {output_size}; expected (height, width), both above 0")
        rgb, probabilities = self.prepare(image, scores)
        crisp = self.filter(probabilities, self.affinity(self.embedding(rgb)))
        if output_size is not None:
            crisp = resize(crisp, output_size)
        return _from_probabilities(crisp, self.scores).to(scores.dtype)

    def prepare(self, image: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Check a batch; give the image as the embedding takes it and the scores as the filter does.

        Arguments and errors are those of `forward`.

        Returns:
            (N, 3, H, W) floating point in [0, 1] and (N, C, H, W) probabilities.
        """
        check_map("scores", scores)
        _check_fit(image, scores)
        dtype = next((p.dtype for p in self.embedding.parameters()), torch.float32)
        rgb = image.to(dtype) / 255 if image.dtype == torch.uint8 else image.to(dtype)
        if not torch.compiler.is_compiling():
            _check_values(rgb, scores, self.scores)
        size = (image.shape[-2], image.shape[-1])
        wide = scores.to(torch.promote_types(dtype, torch.float32))
        return rgb, _to_probabilities(resize(wide, size), self.scores)

    @property
    def device(self) -> torch.device:
        """Where the sharpener works."""
        return self.affinity.log_hardness.device


def shipped_weights() -> Path:
    """The weights inside the package."""
    return Path(str(files("crispseg") / "weights" / SHIPPED_WEIGHTS))


def resize(value: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, C, h, w) to (N, C, *size), bilinear between pixel centres."""
    if tuple(value.shape[-2:]) == tuple(size):
        return value
    return F.interpolate(value, size=size, mode="bilinear", align_corners=False)


def _to_probabilities(scores: Tensor, kind: ScoreKind) -> Tensor:
    if kind == "probabilities":
        return scores
    return scores.sigmoid() if scores.shape[1] == 1 else scores.softmax(1)


def _from_probabilities(probabilities: Tensor, kind: ScoreKind) -> Tensor:
    if kind == "probabilities":
        return probabilities.clamp(0, 1)
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
            "whole image, upright as EXIF says: cut off padding, or give the image that the network saw"
        )


def _check_values(rgb: Tensor, scores: Tensor, kind: ScoreKind) -> None:
    if rgb.numel() and not (rgb.min() >= 0 and rgb.max() <= 1):
        raise InputError(
            f"image runs from {rgb.min():.4g} to {rgb.max():.4g}; expected uint8, or floating point in [0, 1] before "
            "any normalisation"
        )
    if not torch.isfinite(scores).all():
        raise InputError("scores hold NaN or infinity; expected finite numbers")
    low, high = (float(scores.min()), float(scores.max())) if scores.numel() else (0.0, 1.0)
    if kind == "probabilities" and not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise InputError(
            f"scores run from {low:.4g} to {high:.4g}; expected probabilities in [0, 1], or "
            'Sharpener(..., scores="logits")'
        )
