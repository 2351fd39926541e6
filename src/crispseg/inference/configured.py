"""A cue with the options of a sharpener: the module is made from a config, and gives it back."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Self, TypeVar, Unpack

import torch
from torch import Tensor, nn

from crispseg.config import SharpenerConfig
from crispseg.config_values import AUTO, Passes, SharpenerOptions
from crispseg.cues import Cue, describe_cue
from crispseg.cues.cue import check_cue
from crispseg.data.prediction import Prediction
from crispseg.grid import Grid, Line
from crispseg.inference.gentleness import Gentleness
from crispseg.inference.guard import thin_reach_of_cells
from crispseg.nn import LocalFilter
from crispseg.nn.exact_numbers import ExactNumbers
from crispseg.ops.rebalancing import THIN_REACH
from crispseg.precision import shortest
from crispseg.scores import Scores, Upsampling
from crispseg.window import Level, Windows

T = TypeVar("T")


class ConfiguredModule(ExactNumbers):
    """The base class of `Sharpener`: holds the cue and the options. Arguments and errors are described there."""

    fixed_hardness: Tensor
    takes_labels = False
    """Whether scores are the labels of a label map, as 0 and 1: what is thin then depends on the size of its cells."""

    def __init__(
        self,
        cue: Cue = None,  # type: ignore[assignment]  # required: the error says what to write
        *,
        learn_hardness: bool = False,
        **options: Unpack[SharpenerOptions],
    ) -> None:
        super().__init__()
        if cue is None:
            raise TypeError(
                "a cue is missing; expected Sharpener.from_pretrained() for the weights that ship, or "
                "Sharpener(cue=...) with a cue of crispseg.cues"
            )
        check_cue(cue)
        self.cue = cue
        self._config = SharpenerConfig(cue=describe_cue(cue)).replaced(**options)
        self.learns_hardness = learn_hardness
        self._settle()

    def _settle(self) -> None:
        """Fill in the cue's defaults for options that are not given, and set the hardness."""
        self._config = self._config.with_defaults(self.cue)
        assert self._config.hardness is not None
        value = torch.tensor(self._config.hardness)
        if self.learns_hardness:
            self.log_hardness = nn.Parameter(value.log())
        else:
            self.register_buffer("fixed_hardness", value)

    @property
    def config(self) -> SharpenerConfig:
        """All options of this sharpener, without the learned weights of its network."""
        cue = describe_cue(self.cue).with_weights(one.weights for one in self._config.cue.single)
        return replace(self._config, cue=cue, hardness=shortest(self.hardness))

    @property
    def hardness(self) -> Tensor:
        """The hardness λ, a tensor with one element."""
        return self.log_hardness.exp() if self.learns_hardness else self.fixed_hardness

    @property
    def window(self) -> Windows:
        """The windows of neighbours, in the order of their use."""
        return self._config.windows

    @property
    def passes(self) -> Passes:
        """The number of times that the filter is applied with each window: one number, or one for each."""
        assert self._config.passes is not None
        return self._config.passes

    @property
    def levels(self) -> tuple[Level, ...]:
        """The windows with their numbers of passes and weights."""
        return self._config.levels

    @property
    def compares_scores(self) -> bool:
        """Whether differences of scores add to distances with any window."""
        return any(level.score_weight for level in self.levels)

    @property
    def finds_gentleness(self) -> bool:
        """Whether the scores of each image are treated as gently as `gentleness_of` says."""
        return self._config.score_weight == AUTO

    @property
    def leaves_out_regional(self) -> bool:
        """Whether regional levels do not act in scenes of many labels; those with given weights act in every image."""
        regional = {level.is_regional for level in self.levels}
        return self.finds_gentleness and self._config.cue_weight == AUTO and regional == {True, False}

    @property
    def scores(self) -> Scores:
        """The kind of scores."""
        return self._config.scores

    @property
    def upsampling(self) -> Upsampling:
        """How coarse scores are upsampled to the size of the image."""
        return self._config.upsampling

    @property
    def guard(self) -> float | None:
        """The strength of the guard for thin objects; None for no guard."""
        return self._config.guard

    @property
    def grid(self) -> Grid:
        """How scores lie on their image."""
        return self._config.grid

    @property
    def negligible(self) -> float:
        """The largest probability that the classes left out of the filter may have together in a pixel."""
        return self._config.negligible

    @property
    def filter(self) -> LocalFilter:
        """The filter, which applies the weights."""
        windows = Windows(level.window for level in self.levels)
        return LocalFilter(windows, passes=alike(tuple(level.passes for level in self.levels)))

    def extra_repr(self) -> str:
        """Return the options, for `repr`."""
        texts = self.config.texts()
        texts = {name: text for name, text in texts.items() if name not in ("cue", "weights", "precision")}
        return ", ".join(f"{name}={text}" for name, text in texts.items())

    def with_options(self, **options: Unpack[SharpenerOptions]) -> Self:
        """Return a sharpener with other options that shares this one's weights.

        An option that is None gets its default, as in `SharpenerConfig`.

        Raises:
            InputError: If the value of an option is not allowed.
            TypeError: If an option is unknown, or is the cue.

        Example:
            >>> from crispseg import Sharpener
            >>> sharpener = Sharpener.from_pretrained()
            >>> other = sharpener.with_options(passes=3, guard=0.4)
            >>> sharpener.passes, other.passes, other.cue is sharpener.cue
            (4, 3, True)
        """
        if "cue" in options:
            raise TypeError("with_options takes no cue; expected Sharpener(cue, **sharpener.config.options)")
        other = copy.copy(self)
        other._config = self._config.replaced(**options).with_defaults(self.cue)
        if "hardness" in options:
            other._buffers, other._parameters = dict(self._buffers), dict(self._parameters)
            device = self.device
            other._settle()
            other.to(device)
        return other

    def expecting(self, scores: Scores, grid: Grid | str | None = None) -> Self:
        """Return a sharpener that shares this one's weights, for another kind of scores and, if given, another grid."""
        return self.with_options(scores=scores, grid=self.grid if grid is None else grid)

    def for_prediction(self, prediction: Prediction) -> Self:
        """Return a sharpener that shares this one's weights, for the kind and the grid of a prediction.

        For a label map it is as `sharpen_label_map` filters: without regional levels, and with thin parts by its cells.
        """
        made = self.expecting(prediction.kind, prediction.grid)
        return made if prediction.from_scores else made.nearby().taking_labels()

    def of_labels(self) -> Self:
        """Return the sharpener as it filters label maps and masks of objects.

        They are certain away from their boundaries, so regional levels do not help. Nor does the image count more for
        labels that may overlap.
        """
        near = self.expecting("logits").nearby()
        near = near.with_options(scores=self.scores, cue_weight=alike([level.cue_weight for level in near.levels]))
        return near.taking_labels()

    def taking_labels(self) -> Self:
        """Return the same sharpener for label maps, with a channel for each label."""
        other = copy.copy(self)
        other.takes_labels = True
        return other

    def thin_reach(self, lines: Sequence[Line]) -> int:
        """Return how far the diamonds reach that thin parts do not hold, given how the scores lie on the image."""
        return thin_reach_of_cells(lines) if self.takes_labels else THIN_REACH

    def nearby(self) -> Self:
        """Return the sharpener without regional levels, which help only where scores are uncertain over large regions.

        Tiles would have to be larger than the memory allows.
        """
        levels = [level for level in self.levels if not level.is_regional]
        if len(levels) in (0, len(self.levels)):
            return self
        windows, *values = zip(*levels, strict=True)
        passes, cue_weight, score_weight = map(alike, values)
        if self._config.cue_weight == AUTO:
            cue_weight = AUTO
        if self._config.score_weight == AUTO:  # which also suits the doubt of each image
            score_weight = AUTO
        return self.with_options(window=windows, passes=passes, cue_weight=cue_weight, score_weight=score_weight)

    def acting_on(self, gentleness: Gentleness | None) -> Self:
        """Return the sharpener without levels that do not act on scores of a gentleness, as far as that can be told."""
        local = gentleness is not None and gentleness.is_local
        return self.nearby() if local and self.leaves_out_regional else self

    @property
    def device(self) -> torch.device:
        """The device of the sharpener."""
        return next(iter((*self.buffers(recurse=False), *self.parameters(recurse=False)))).device


def alike(values: Sequence[T]) -> T | tuple[T, ...]:
    """Return the value that all are, or all of them."""
    return tuple(values) if len(set(values)) > 1 else values[0]
