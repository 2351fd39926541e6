"""The main job: an image and any network's scores in, crisp scores out."""

import copy
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from crispseg.checks import check_choice, check_map, check_positive, check_same_grid, check_window
from crispseg.cues import Cue
from crispseg.data.prediction import ScoreKind
from crispseg.errors import InputError
from crispseg.inference.batch import check_fit, check_values, from_probabilities, resize, to_probabilities
from crispseg.inference.hub import upload
from crispseg.inference.pretrained import DEFAULT_WINDOW, SHIPPED_WEIGHTS, load_pretrained, weights_path
from crispseg.inference.pretrained_folder import Pretrained, save_folder, shortest
from crispseg.nn import LocalFilter
from crispseg.window import Window

__all__ = ["DEFAULT_WINDOW", "SHIPPED_WEIGHTS", "Sharpener", "weights_path"]


class Sharpener(nn.Module):
    """Replace every score by an average over the pixels around it that belong with it, several times.

    Scores are filtered as probabilities: logits go through a softmax (a sigmoid when there is one channel) before, and
    through its inverse after.

    Args:
        cue: Says which pixels belong together: one of `crispseg.cues`. `LearnedCue` makes one of a network.
        window: The neighbours that may contribute.
        hardness: λ of the weights exp(-λ·d): larger lets fewer neighbours contribute. The cue's default where None.
        iterations: How many times the filter is applied. The cue's default where None.
        scores: What the scores are, "logits" or "probabilities"; it is never guessed.

    Raises:
        InputError: If an option is not as above.
        TypeError: If `cue` is not a cue.

    Example:
        >>> sharpener = Sharpener.from_pretrained()
        >>> image = torch.randint(0, 256, (1, 3, 48, 64), dtype=torch.uint8)
        >>> logits = torch.randn(1, 21, 6, 8)
        >>> with torch.inference_mode():  # or train through it, which keeps the scores of every pass
        ...     sharpener(image, logits).shape
        torch.Size([1, 21, 48, 64])
    """

    hardness: Tensor

    def __init__(
        self,
        cue: Cue,
        *,
        window: Window = DEFAULT_WINDOW,
        hardness: float | None = None,
        iterations: int | None = None,
        scores: ScoreKind = "logits",
    ) -> None:
        super().__init__()
        _check_cue(cue)
        check_window(window)
        check_choice("scores", scores, ("logits", "probabilities"))
        chosen = cue.default_hardness if hardness is None else hardness
        check_positive("hardness", chosen)
        self.cue = cue
        self.window = window
        self.register_buffer("hardness", torch.tensor(float(chosen)))
        self.filter = LocalFilter(window, iterations=cue.default_iterations if iterations is None else iterations)
        self.scores = scores

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path = "narrow",
        *,
        window: Window | None = None,
        hardness: float | None = None,
        iterations: int | None = None,
        norm: int | None = None,
        scores: ScoreKind | None = None,
        revision: str | None = None,
    ) -> Self:
        """A sharpener with trained weights, of which every option may be replaced.

        Args:
            weights: One of those that ship, "narrow" or "wide"; a safetensors file that `crispseg train` wrote; a
                folder that `save_pretrained` wrote; or `owner/name` on a hub (extra `hub`), of which the local cache
                serves without a network.
            window: The neighbours that may contribute; None for the folder's, 9×9 where weights are no folder.
            hardness: λ; None for the folder's, or 5.
            iterations: How many times the filter is applied; None for the folder's, or 25.
            norm: 1 or 2, the norm of the distance between embeddings; None for the folder's, or 1.
            scores: "logits" or "probabilities"; None for the folder's, or "logits".
            revision: Branch, tag or commit of what is on a hub.

        Raises:
            InputError: If there are no such weights, they are not as above, or an option makes no sense.
        """
        saved = load_pretrained(weights, norm=norm, revision=revision)
        return cls(
            saved.cue,
            window=saved.window if window is None else window,
            hardness=saved.hardness if hardness is None else hardness,
            iterations=saved.iterations if iterations is None else iterations,
            scores=saved.scores if scores is None else scores,
        ).eval()

    def save_pretrained(self, folder: str | Path, *, name: str | None = None, licence: str | None = None) -> None:
        """Write `config.json`, `model.safetensors` and a model card, from which `from_pretrained` makes the same again.

        Args:
            folder: To write to; it is made where it does not exist.
            name: By which the card tells how to load it; the folder's by default.
            licence: Of the weights, an identifier of the hub such as "apache-2.0"; None where the card says none.

        Raises:
            InputError: If the cue or its network is one of your own, or the folder cannot be written to.

        Example:
            >>> folder = getfixture("tmp_path") / "streets"
            >>> Sharpener.from_pretrained(hardness=7.0).save_pretrained(folder)
            >>> Sharpener.from_pretrained(folder).hardness
            tensor(7.)
        """
        save_folder(Path(folder), self._described(), name=str(folder) if name is None else name, licence=licence)

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool = False,
        licence: str | None = None,
        message: str = "Save a sharpener of crispseg",
    ) -> str:
        """Upload what `save_pretrained` writes (extra `hub`); the repository is made where there is none.

        Args:
            repository: `owner/name`.
            private: Whether a new repository is.
            licence: Of the weights, an identifier of the hub such as "apache-2.0"; None where the card says none.
            message: Of the commit.

        Returns:
            The address of the commit.

        Raises:
            InputError: If the hub cannot be reached, you may not write there, or `save_pretrained` would fail.
        """

        def save(folder: Path) -> None:
            self.save_pretrained(folder, name=repository, licence=licence)

        return upload(repository, save, private=private, message=message)

    def _described(self) -> Pretrained:
        return Pretrained(self.cue, self.window, shortest(self.hardness), self.filter.iterations, self.scores)

    def expecting(self, scores: ScoreKind) -> Self:
        """The same sharpener, weights shared, for scores of the given kind."""
        check_choice("scores", scores, ("logits", "probabilities"))
        other = copy.copy(self)
        other.scores = scores
        return other

    def forward(
        self,
        image: Tensor,
        scores: Tensor,
        *,
        features: Tensor | None = None,
        output_size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Sharpen a batch.

        Args:
            image: (N, 3, H, W) RGB, uint8, or floating point in [0, 1].
            scores: (N, C, h, w) logits or probabilities at any resolution; they are upsampled to the image.
            features: (N, D, H, W) features of the image in place of those that the cue would compute, such as the
                boundary map of a detector that ran elsewhere.
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
        features, probabilities = self.prepare(image, scores, features)
        crisp = self.filter(probabilities, self.cue.weights(features, self.window, self.hardness))
        if output_size is not None:
            crisp = resize(crisp, output_size)
        return from_probabilities(crisp, self.scores).to(scores.dtype)

    def prepare(self, image: Tensor, scores: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Check a batch; give the features of the image and the scores as the filter takes them.

        Arguments and errors are those of `forward`.

        Returns:
            (N, D, H, W) features and (N, C, H, W) probabilities.
        """
        check_fit(image, scores)
        dtype = next((p.dtype for p in self.cue.parameters()), torch.float32)
        rgb = image.to(dtype) / 255 if image.dtype == torch.uint8 else image.to(dtype)
        if not torch.compiler.is_compiling():
            check_values(rgb, scores, self.scores)
        wide = scores.to(torch.promote_types(dtype, torch.float32))
        probabilities = to_probabilities(resize(wide, (image.shape[-2], image.shape[-1])), self.scores)
        if features is None:
            return self.cue(rgb), probabilities
        check_map("features", features)
        check_same_grid("features", features, "image", image)
        if not torch.compiler.is_compiling():
            self.cue.check_features(features)
        return features, probabilities

    @property
    def device(self) -> torch.device:
        """Where the sharpener works."""
        return self.hardness.device


def _check_cue(cue: object) -> None:
    if not isinstance(cue, Cue):
        hint = "LearnedCue(network) makes one of a network" if isinstance(cue, nn.Module) else "see crispseg.cues"
        raise TypeError(f"cue is {type(cue).__name__}; expected a crispseg.cues.Cue: {hint}")
