"""The main job: an image and any network's scores in, crisp scores out."""

import copy
from functools import partial
from pathlib import Path
from typing import Self

import torch
from torch import Tensor, nn

from crispseg.checks import (
    check_choice,
    check_guard,
    check_map,
    check_positive,
    check_same_grid,
    check_window,
    has_values,
)
from crispseg.cues import Cue
from crispseg.cues.cue import check_cue
from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid
from crispseg.inference.batch import check_filtered, check_fit, check_scores, resize, to_colours
from crispseg.inference.guard import guarded, spread
from crispseg.inference.shares import Shares
from crispseg.inference.upsampling import upsample, upsamples_jointly
from crispseg.nn import LocalFilter
from crispseg.pretrained import DEFAULT_WINDOW, Pretrained, load_pretrained, save_folder, upload
from crispseg.pretrained.folder import shortest
from crispseg.scores import SCORES, UPSAMPLINGS, Scores, Upsampling
from crispseg.window import Window


class Sharpener(nn.Module):
    """Replace every score by an average over the pixels around it that belong with it, several times.

    Scores are filtered as probabilities: logits go through a softmax (a sigmoid when there is one channel, or each
    stands for itself) before, and through its inverse after. Coarse ones are upsampled along the cue before.

    A process that is forked after one was used hangs in it, as in any convolution of PyTorch: start processes with
    `multiprocessing.get_context("spawn")`.

    Args:
        cue: Says which pixels belong together: one of `crispseg.cues`. `LearnedCue` makes one of a network.
        window: The neighbours that may contribute.
        hardness: λ of the weights exp(-λ·d): larger lets fewer neighbours contribute. The cue's default where None.
        passes: How many times the filter is applied. The cue's default where None.
        scores: Their kind: "logits" or "probabilities" of classes that exclude each other; "multilabel" (logits)
            or "multilabel_probabilities" of labels that do not, such as the masks of objects.
        upsampling: "joint" for `crispseg.ops.joint_upsample` where scores have half the height and width of the image
            or less and the cue compares embeddings, and bilinear elsewhere; "bilinear" for always.
        guard: Keeps poles and other thin things: above 0 and up to 1, such as 0.7. None for no guard.
        grid: How scores lie on their image: a `crispseg.Grid`, or its text such as "centres" or "stride=8".

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
        passes: int | None = None,
        scores: Scores = "logits",
        upsampling: Upsampling = "joint",
        guard: float | None = None,
        grid: Grid | str = CENTRES,
    ) -> None:
        super().__init__()
        check_cue(cue)
        check_window(window)
        check_choice("scores", scores, SCORES)
        check_choice("upsampling", upsampling, UPSAMPLINGS)
        check_guard(guard)
        chosen = cue.default_hardness if hardness is None else hardness
        check_positive("hardness", chosen)
        self.cue = cue
        self.window = window
        self.register_buffer("hardness", torch.tensor(float(chosen)))
        self.filter = LocalFilter(window, passes=cue.default_passes if passes is None else passes)
        self.scores = scores
        self.upsampling = upsampling
        self.guard = guard
        self.grid = Grid.of(grid)

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path = "narrow",
        *,
        window: Window | None = None,
        hardness: float | None = None,
        passes: int | None = None,
        norm: int | None = None,
        scores: Scores | None = None,
        upsampling: Upsampling | None = None,
        guard: float | None = None,
        grid: Grid | str | None = None,
        revision: str | None = None,
    ) -> Self:
        """A sharpener with trained weights, of which every option may be replaced.

        Args:
            weights: One of those that ship, "narrow" or "wide"; a safetensors file that `crispseg train` wrote; a
                folder that `save_pretrained` wrote; or `owner/name` on a hub (extra `hub`), of which the local cache
                serves without a network.
            window: The neighbours that may contribute; None for the folder's, 9×9 where weights are no folder.
            hardness: λ; None for the folder's, or 5.
            passes: How many times the filter is applied; None for the folder's, or 25.
            norm: 1 or 2, the norm of the distance between embeddings; None for the folder's, or 1.
            scores: "logits", "probabilities", "multilabel" or "multilabel_probabilities"; None for the folder's, or
                "logits".
            upsampling: "joint" or "bilinear"; None for the folder's, or "joint".
            guard: Above 0 and up to 1, as above; None for the folder's, or none.
            grid: How scores lie on their image; None for the folder's, or "centres".
            revision: Branch, tag or commit of what is on a hub.

        Raises:
            InputError: If there are no such weights, they are not as above, or an option makes no sense.
        """
        saved = load_pretrained(weights, norm=norm, revision=revision)
        return cls(
            saved.cue,
            window=saved.window if window is None else window,
            hardness=saved.hardness if hardness is None else hardness,
            passes=saved.passes if passes is None else passes,
            scores=saved.scores if scores is None else scores,
            upsampling=saved.upsampling if upsampling is None else upsampling,
            guard=saved.guard if guard is None else guard,
            grid=saved.grid if grid is None else grid,
        ).eval()

    def save_pretrained(self, folder: str | Path, *, name: str | None = None, license: str | None = None) -> None:
        """Write `config.json`, `model.safetensors` and a model card, from which `from_pretrained` makes the same again.

        Args:
            folder: To write to; it is made where it does not exist.
            name: By which the card tells how to load it; the folder's by default.
            license: Of the weights, an identifier of the hub such as "apache-2.0"; None where the card says none.

        Raises:
            InputError: If the cue or its network is one of your own, or the folder cannot be written to.

        Example:
            >>> folder = getfixture("tmp_path") / "streets"
            >>> Sharpener.from_pretrained(hardness=7.0).save_pretrained(folder)
            >>> Sharpener.from_pretrained(folder).hardness
            tensor(7.)
        """
        save_folder(Path(folder), self._described(), name=str(folder) if name is None else name, license=license)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        license: str | None = None,
        message: str = "Save a sharpener of crispseg",
    ) -> str:
        """Upload what `save_pretrained` writes (extra `hub`); the repository is made where there is none.

        Args:
            repo_id: `owner/name`.
            private: Whether a new repository is.
            license: Of the weights, an identifier of the hub such as "apache-2.0"; None where the card says none.
            message: Of the commit.

        Returns:
            The address of the commit.

        Raises:
            InputError: If the hub cannot be reached, you may not write there, or `save_pretrained` would fail.
        """
        save = partial(self.save_pretrained, name=repo_id, license=license)
        return upload(repo_id, save, private=private, message=message)

    def _described(self) -> Pretrained:
        numbers = shortest(self.hardness), self.filter.passes
        return Pretrained(self.cue, self.window, *numbers, self.scores, self.upsampling, self.guard, self.grid)

    def expecting(self, scores: Scores, grid: Grid | str | None = None) -> Self:
        """The same sharpener, weights shared, for scores of the given kind and, where one is given, grid."""
        check_choice("scores", scores, SCORES)
        other = copy.copy(self)
        other.scores, other.grid = scores, self.grid if grid is None else Grid.of(grid)
        return other

    def forward(
        self,
        image: Tensor,
        scores: Tensor,
        *,
        features: Tensor | None = None,
        output_size: tuple[int, int] | None = None,
        grid: Grid | str | None = None,
    ) -> Tensor:
        """Sharpen a batch.

        Args:
            image: (N, 3, H, W) RGB, uint8, or floating point in [0, 1].
            scores: (N, C, h, w) logits or probabilities at any resolution; they are upsampled to the image.
            features: (N, D, H, W) features of the image in place of those that the cue would compute, such as the
                boundary map of a detector that ran elsewhere.
            output_size: Height and width of the result; the image's by default.
            grid: How these scores lie on the image; None for the sharpener's, as it was made.

        Returns:
            (N, C, *output_size) of the kind and dtype of `scores`: logits are log-probabilities.

        Raises:
            InputError: If shapes do not fit together or to the grid, or values lie outside their range.
            TypeError: If a dtype is not as above.
        """
        if output_size is not None and min(output_size) < 1:
            raise InputError(f"output_size is {output_size}; expected (height, width), both above 0")
        if grid is not None:
            return self.expecting(self.scores, grid)(image, scores, features=features, output_size=output_size)  # type: ignore[no-any-return]
        features, wide = self.prepare(image, scores, features)
        crisp = self.filtered(self.upsample(wide, features), features)
        if output_size is not None:
            crisp = crisp.with_values(resize(crisp.values, output_size))
        return crisp.scores().to(scores.dtype)

    def prepare(self, image: Tensor, scores: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Check a batch; give the features of the image and the scores as `upsample` takes them.

        Arguments and errors are those of `forward`.

        Returns:
            (N, D, H, W) features and (N, C, h, w) scores, float32 or wider.
        """
        check_fit(image, scores, self.grid, self.scores)
        self.check_scores(scores)
        if features is None:
            features = self.features(image)
        else:
            check_map("features", features)
            check_same_grid("features", features, "image", image)
            if has_values():
                self.cue.check_features(features)
        return features, scores.to(torch.promote_types(self._dtype, torch.float32))

    def upsample(self, scores: Tensor, features: Tensor, hardness: float | Tensor | None = None) -> Shares:
        """Scores as the filter takes them.

        Args:
            scores: (N, C, h, w), float32 or wider.
            features: (N, D, H, W).
            hardness: λ in place of the sharpener's.

        Returns:
            Their shares, at the size of the features.
        """
        chosen = self.hardness if hardness is None else hardness
        kind, upsampling, grid = self.scores, self.upsampling, self.grid
        return upsample(scores, features, self.cue, chosen, kind=kind, upsampling=upsampling, grid=grid)

    def filtered(self, shares: Shares, features: Tensor) -> Shares:
        """Return shares, filtered by the weights of (N, D, H, W) features of their size and guarded."""
        crisp = shares.with_values(self.filter(shares.values, self.cue.weights(features, self.window, self.hardness)))
        check_filtered(crisp.values, self.cue, features)
        radius = spread(self.window, self.filter.passes)
        return crisp if self.guard is None else guarded(shares, crisp, self.guard, radius)

    def upsamples_jointly(self, coarse: tuple[int, int], size: tuple[int, int]) -> bool:
        """Whether scores of a coarse (height, width) come to a size along the cue."""
        return upsamples_jointly(self.cue, self.upsampling, self.grid.lines(size, coarse))

    def features(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) image, as `forward` takes it, to the (N, D, H, W) features of the cue."""
        return self.cue(to_colours(image, self._dtype))  # type: ignore[no-any-return]

    def check_scores(self, scores: Tensor) -> None:
        """Refuse scores that are not finite or not of their kind, where they have values."""
        if has_values():
            check_scores(scores, self.scores)

    @property
    def _dtype(self) -> torch.dtype:
        """What the cue computes in."""
        return next((p.dtype for p in self.cue.parameters()), torch.float32)

    @property
    def device(self) -> torch.device:
        """Where the sharpener works."""
        return self.hardness.device
