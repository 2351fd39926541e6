"""The sharpener: takes an image and any network's scores, and returns crisp scores."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Self, Unpack

import torch
from torch import Tensor

from crispseg.checks import check_output_size
from crispseg.config import SharpenerConfig
from crispseg.config_values import SharpenerOptions
from crispseg.cue_config import CueConfig
from crispseg.cues import Cue
from crispseg.devices import checked_dtype, usable_device
from crispseg.grid import Grid
from crispseg.inference.checks import (
    check_filtered,
    check_fit,
    check_given_features,
    check_scores,
    checked_features,
    to_colours,
    warn_of_kind,
)
from crispseg.inference.configured import ConfiguredModule
from crispseg.inference.finding_gentleness import gentleness_of
from crispseg.inference.gentleness import for_filter, for_upsampling, partly_regional
from crispseg.inference.guard import guarded, radii_of
from crispseg.inference.padding import without_padding
from crispseg.inference.shares import Shares
from crispseg.inference.upsampling import resize, upsample, upsamples_jointly
from crispseg.pretrained import load_cue, load_pretrained, save_folder, upload
from crispseg.scores import MULTILABEL
from crispseg.window import Level, Window


class Sharpener(ConfiguredModule):
    """Replace every score by an average over the surrounding pixels that belong with it, several times.

    Scores are filtered as probabilities. Logits go through a softmax first (a sigmoid for a single channel, or for
    labels that may overlap), and through its inverse afterwards. Coarse scores are first upsampled along the cue. The
    options, such as `window` and `passes`, are those of `SharpenerConfig`.

    Do not fork a process after a sharpener was used: the child would hang at its first convolution, as with any PyTorch
    network. Start processes with `multiprocessing.get_context("spawn")`.

    Args:
        cue: The cue that tells which pixels belong together, from `crispseg.cues`; `LearnedCue` wraps a network.
        learn_hardness: Whether the hardness is a parameter. Its logarithm is learned, which keeps it above 0.

    Raises:
        InputError: If the value of an option is not allowed.
        TypeError: If `cue` is not a cue, or an option is unknown.

    Example:
        >>> sharpener = Sharpener.from_pretrained()
        >>> image = torch.randint(0, 256, (1, 3, 48, 64), dtype=torch.uint8)
        >>> logits = torch.randn(1, 21, 6, 8)
        >>> with torch.inference_mode():  # or train through it, which keeps the scores of every pass
        ...     sharpener(image, logits).shape
        torch.Size([1, 21, 48, 64])
        >>> sharpener.config.texts()["window"]
        '5@64,5@16,5@8,5@4,5@2,5'
    """

    @classmethod
    def from_config(cls, config: SharpenerConfig) -> Self:
        """Return the sharpener of a config, with the weights of its cue read from the place that it names.

        Raises:
            InputError: If the weights or the cue do not exist.

        Example:
            >>> Sharpener.from_config(SharpenerConfig(cue="rgb:norm=2", window=5)).config.passes
            1
        """
        return cls.of(load_cue(config.cue), config)

    @classmethod
    def of(cls, cue: Cue, config: SharpenerConfig) -> Self:
        """Return the sharpener of a cue and the other fields of a config, in evaluation mode."""
        made = cls(cue, **config.with_defaults(cue).options).eval()
        made._config = replace(made._config, cue=config.cue)
        return made

    @classmethod
    def from_pretrained(
        cls,
        weights: str | Path = "fast",
        *,
        cue: CueConfig | str | None = None,
        revision: str | None = None,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        **options: Unpack[SharpenerOptions],
    ) -> Self:
        """Return a sharpener with trained weights, in evaluation mode.

        Args:
            weights: "fast" or "best", which ship with crispseg; a safetensors file that `crispseg train` wrote; a
                folder that `save_pretrained` wrote; or `owner/name` on a hub (extra `hub`). Without an internet
                connection, the local cache of the hub is used.
            cue: A cue whose arguments replace the saved ones, such as "learned:norm=2".
            revision: A branch, tag or commit on a hub.
            device: The device of the sharpener; the CPU by default.
            dtype: The dtype that the cue's network computes in: float32, bfloat16 or float16; the saved one by default.
            options: Fields that replace those of the saved config, or the defaults of `SharpenerConfig` if the weights
                are those of a network alone.

        Raises:
            InputError: If the weights or the device do not exist, or the value of an option is not allowed.

        Example:
            >>> Sharpener.from_pretrained("best", window=11, guard=0.4, device="cpu").config.guard
            0.4
        """
        found, config = load_pretrained(weights, cue=None if cue is None else CueConfig.of(cue), revision=revision)
        made = cls.of(found, config.replaced(**options))
        if dtype is not None:
            made.cue.to(checked_dtype(dtype))
        return made.to(usable_device(device or "cpu"))

    def save_pretrained(self, folder: str | Path, *, name: str | None = None, license: str | None = None) -> None:
        """Write `config.json`, `model.safetensors` and a model card, from which `from_pretrained` loads the sharpener.

        Args:
            folder: The folder to write to; it is created if it does not exist.
            name: The name that the card uses to load the sharpener; the folder's by default.
            license: The license of the weights, as an identifier of the hub such as "apache-2.0"; None if unknown.

        Raises:
            InputError: If the cue or its network is not registered, or the folder cannot be written to.

        Example:
            >>> folder = getfixture("tmp_path") / "streets"
            >>> Sharpener.from_pretrained(hardness=7.0).save_pretrained(folder)
            >>> Sharpener.from_pretrained(folder).hardness
            tensor(7.)
        """
        save_folder(Path(folder), self.cue, self.config, name=str(folder) if name is None else name, license=license)

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool = False,
        license: str | None = None,
        message: str = "Save a sharpener of crispseg",
    ) -> str:
        """Upload the files of `save_pretrained` to a hub (extra `hub`), creating the repository if needed.

        Args:
            repo_id: `owner/name`.
            private: Whether a new repository is private.
            license: The license of the weights, as an identifier of the hub such as "apache-2.0"; None if unknown.
            message: The commit message.

        Returns:
            The URL of the commit.

        Raises:
            InputError: If the hub cannot be reached, you lack permission to write, or `save_pretrained` would fail.
        """
        save = partial(self.save_pretrained, name=repo_id, license=license)
        return upload(repo_id, save, private=private, message=message)

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
            features: (N, D, H, W) features of the image to use instead of those of the cue, such as the boundary map of
                a detector that ran elsewhere.
            output_size: Height and width of the result; those of the image by default.
            grid: How these scores lie on the image; None for the sharpener's grid.

        Returns:
            (N, C, *output_size) scores of the kind and dtype of `scores`; logits are log-probabilities.

        Raises:
            InputError: If shapes do not fit each other or the grid, or values are out of range.
            TypeError: If a dtype is not as above.
        """
        if output_size is not None:
            check_output_size(output_size)
        if grid is not None:
            return self.expecting(self.scores, grid)(image, scores, features=features, output_size=output_size)  # type: ignore[no-any-return]
        features, wide = self.prepare(image, scores, features)
        crisp = self.filtered(self.upsample(image, wide, features), features)
        if output_size is not None:
            crisp = crisp.expanded().mapped(partial(resize, size=output_size))
        return crisp.scores().to(scores.dtype)

    def prepare(self, image: Tensor, scores: Tensor, features: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Check a batch, and return the features of the image and the scores as `upsample` takes them.

        The arguments and errors are those of `forward`.

        Returns:
            (N, D, H, W) features and (N, C, h, w) scores, float32 or wider.
        """
        check_fit(image, scores, self.grid, self.scores)
        check_scores(scores, self.scores)
        warn_of_kind(scores, self.scores)
        if features is None:
            features = self.features(image)
        else:
            check_given_features(features, self.cue, image)
        known = without_padding(scores, self.grid, (image.shape[-2], image.shape[-1]))
        return features, known.to(torch.promote_types(self.cue.image_dtype, torch.float32))

    def upsample(self, image: Tensor, scores: Tensor, features: Tensor) -> Shares:
        """Return the shares of (N, C, h, w) scores, float32 or wider, at the size of their (N, D, H, W) features."""
        lines = self.grid.lines((features.shape[-2], features.shape[-1]), (scores.shape[-2], scores.shape[-1]))
        gentleness = gentleness_of(image, scores, self.scores, lines) if self.finds_gentleness else None
        shares = upsample(
            scores,
            for_upsampling(features, gentleness),
            self.cue,
            self.hardness,
            kind=self.scores,
            upsampling=self.upsampling,
            grid=self.grid,
            negligible=self.negligible,
        )
        return shares._replace(gentleness=gentleness, thin_reach=self.thin_reach(lines))

    def weights(self, features: Tensor, shares: Shares, window: Window) -> Tensor:
        """Return the (N, K, H, W) weights exp(-λ·(φ·d + μ·Σ|p_i - p_j|)) of a window.

        Args:
            features: (N, D, H, W) features of the cue.
            shares: Shares of the same size before the filter, whose differences add to the distances.
            window: One of the sharpener's windows.
        """
        level = next(level for level in self.levels if level.window == window)
        features, scores = self.compared(features, shares)
        return self.cue.weights(features, window, **self._comparing(level, shares.whole, scores))

    def compared(self, features: Tensor, shares: Shares) -> tuple[Tensor, Tensor | None]:
        """Return the features and the scores whose differences are the distances between pixels."""
        features = for_filter(features, shares.gentleness)
        if not self.compares_scores or self.scores in MULTILABEL:  # there, no label may depend on the others
            return features, None
        return features, for_filter(shares.compared(), shares.gentleness)

    def _comparing(self, level: Level, whole: float, scores: Tensor | None) -> dict[str, Any]:
        """Return the arguments by which a cue compares pixels at a level."""
        hardness = self.hardness * level.cue_weight
        if scores is None or not level.score_weight:
            return {"hardness": hardness}
        return {"hardness": hardness, "scores": scores, "score_weight": level.score_weight / level.cue_weight / whole}

    def filtered(self, shares: Shares, features: Tensor, valid: Tensor | None = None) -> Shares:
        """Return the shares, filtered by the weights of (N, D, H, W) features of their size, and guarded.

        Pixels without data, where the (H, W) mask `valid` is False, do not count as the surroundings of others.
        """
        return self.guarded(shares, self.unguarded(shares, features), valid)

    def unguarded(self, shares: Shares, features: Tensor) -> Shares:
        """Return the shares, filtered by the weights of (N, D, H, W) features of their size, without the guard."""
        values, (features, scores) = shares.values, self.compared(features, shares)
        for level in self.levels:
            values = self.filtered_by(level, shares, values, features, scores)
        check_filtered(values, self.cue, features)
        return shares.with_values(values)

    def filtered_by(
        self, level: Level, shares: Shares, values: Tensor, features: Tensor, scores: Tensor | None
    ) -> Tensor:
        """Return (N, S, H, W) values of shares after a level, given the features and scores that `compared` returns."""
        gentleness = shares.gentleness if level.is_regional and self.leaves_out_regional else None
        if gentleness is not None and gentleness.is_local:
            return values
        after = self.cue.filtered(values, features, level, **self._comparing(level, shares.whole, scores))
        return partly_regional(values, after, gentleness)

    def guarded(self, before: Shares, after: Shares, valid: Tensor | None = None) -> Shares:
        """Return filtered shares after the guard, given those before the filter."""
        return after if self.guard is None else guarded(before, after, self.guard, radii_of(self.levels), valid)

    def upsamples_jointly(self, coarse: tuple[int, int], size: tuple[int, int]) -> bool:
        """Return whether coarse scores (height, width) are upsampled to a size along the cue."""
        return upsamples_jointly(self.cue, self.upsampling, self.grid.lines(size, coarse))

    def features(self, image: Tensor) -> Tensor:
        """Return the (N, D, H, W) features of the cue for an (N, 3, H, W) image, as `forward` takes it."""
        return checked_features(self.cue(to_colours(image, self.cue.image_dtype)), self.cue, image)
