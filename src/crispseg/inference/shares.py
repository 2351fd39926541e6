"""Shares, which the filter averages instead of scores, and the conversion between shares and scores."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from crispseg.checks import is_recorded
from crispseg.compatibility import is_exporting
from crispseg.inference.gentleness import Gentleness
from crispseg.inference.merging import Merged, Resize, kept_classes
from crispseg.ops.rebalancing import THIN_REACH
from crispseg.ops.scores_of_shares import logs_of_shares
from crispseg.scores import MULTILABEL, PROBABILITIES, Scores

_WHOLE = 2.0**96
"""The share of a probability of 1, for logits: float32 can then hold probabilities down to exp(-153)."""


_TOGETHER = 4
"""The number of channels that are converted at a time, so that temporary maps stay few and in a core's cache."""


class Shares(NamedTuple):
    """The share of each label in every pixel, which is upsampled and filtered instead of scores.

    For logits, shares are probabilities times a power of two, which does not affect an average: plain float32
    probabilities would end at exp(-87). For a channel that is a label against everything else, the share of "everything
    else" is averaged too, since 1 - p has no digits left if p is almost 1. Probabilities are used as they are.
    """

    values: Tensor
    """(N, S, H, W): a share for each label, preceded by the shares of "everything else" for independent logits."""
    kind: Scores
    """The kind of the scores."""
    channels: int
    """The number of channels of the scores."""
    merged: Merged | None = None
    """How to get all classes back if `values` are those of the classes that matter, followed by their rest."""
    gentleness: Gentleness | None = None
    """How gently they are filtered and guarded; None as the scores of a network."""
    thin_reach: int = THIN_REACH
    """How far the diamonds reach that thin parts do not hold, in pixels."""

    @classmethod
    def of(cls, scores: Tensor, kind: Scores) -> "Shares":
        """Return the shares of (N, C, H, W) scores, float32 or wider."""
        channels = scores.shape[1]
        if kind in PROBABILITIES:
            return cls(scores.clamp(0, 1), kind, channels)  # those given may be a little outside
        if kind == "multilabel":
            against = torch.stack([torch.zeros_like(scores), scores], 1)
            return cls(_shares(against).flatten(1, 2), kind, channels)
        if is_exporting():  # the number of classes is known only when the program runs
            rest = torch.where(_is_alone(channels, scores), 0.0, -torch.inf).to(scores.dtype)
            return cls(_shares(torch.cat([rest.expand_as(scores[:, :1]), scores], 1)), kind, channels)
        choices = torch.cat([torch.zeros_like(scores), scores], 1) if channels == 1 else scores
        return cls(_shares(choices), kind, channels)

    def with_values(self, values: Tensor) -> "Shares":
        """Return the shares with other values."""
        return self._replace(values=values)

    def merging(self, negligible: float) -> "Shares":
        """Return the shares with all classes merged into one channel whose sum is negligible in every pixel.

        `scores` and `probabilities` return all classes again. Nothing is merged while a gradient is recorded or PyTorch
        traces, because the choice depends on the values; nor for labels that may overlap.

        Args:
            negligible: The largest probability that the merged classes may have together in a pixel; 0 merges none.
        """
        exclusive = self.kind not in MULTILABEL and self.channels > 1
        if not negligible or not exclusive or is_recorded(self.values):
            return self
        kept = kept_classes(self.values, self.whole, negligible)
        if kept is None:
            return self
        values, merged = Merged.of(self.values, kept)
        return self._replace(values=values, merged=merged)

    def upsampled(self, upsample: Resize) -> "Shares":
        """Return the shares before the filter, brought to another size."""
        values = upsample(self.values)
        return self._replace(values=values, merged=self.merged and self.merged.upsampled(upsample, values))

    def cropped(self, rows: slice, columns: slice) -> "Shares":
        """Return the shares of a part of the image."""
        values = self.values[..., rows, columns]
        return self._replace(values=values, merged=self.merged and self.merged.cropped(rows, columns))

    def expanded(self) -> "Shares":
        """Return the shares of all classes, without merged ones."""
        return self if self.merged is None else Shares(self.merged.expanded(self.values), self.kind, self.channels)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> "Shares":
        """Return the shares after applying a function to their probabilities, including those of "everything else"."""
        return self.with_values(function(self.values / self.whole) * self.whole)

    def without(self, blank: Tensor | None) -> "Shares":
        """Return the shares without labels where the (H, W) mask is True: all goes to "everything else"."""
        if blank is None:
            return self
        values = self.values.masked_fill(blank, 0)
        if self._has_rest:
            rest = values.shape[1] - self.channels
            values = torch.cat([values[:, :rest].masked_fill(blank, self.whole), values[:, rest:]], 1)
        return self.with_values(values)

    def scores(self) -> Tensor:
        """Return the (N, C, H, W) scores of the same kind; logits of exclusive classes are log-probabilities."""
        if self.merged is not None:
            return self.merged.scores(self.values, None if self.kind in PROBABILITIES else _WHOLE)
        if self.kind in PROBABILITIES:
            return self.values.clamp(0, 1)
        logs = logs_of_shares(self._labels, _WHOLE)
        if not self._has_rest:
            return logs
        against = logs - logs_of_shares(self._rest, _WHOLE)
        if self.kind == "logits" and is_exporting():
            return torch.where(_is_alone(self.channels, logs), against, logs)
        return against

    def probabilities(self) -> Tensor:
        """Return the (N, C, H, W) probabilities of the labels."""
        return self.expanded()._labels / self.whole

    def choices(self) -> Tensor:
        """Return the (N, S, H, W) shares that a pixel chooses from; multilabel: (N, 2, C, H, W), no and yes."""
        shares = self.values
        if self.kind in MULTILABEL:
            no = shares[:, : self.channels] if self._has_rest else _rest_of(shares)
            return torch.stack([no, shares[:, -self.channels :]], 1)
        if self.kind == "probabilities" and is_exporting():
            rest = torch.where(_is_alone(self.channels, shares), _rest_of(shares[:, :1]), 0)
            return torch.cat([rest, shares], 1)
        alone = self.kind == "probabilities" and self.channels == 1
        return torch.cat([_rest_of(shares), shares], 1) if alone else shares

    def with_choices(self, choices: Tensor) -> "Shares":
        """Return the shares with other values, in the form of `choices`."""
        if self.kind in MULTILABEL:
            return self.with_values(choices.flatten(1, 2) if self._has_rest else choices[:, 1])
        return self.with_values(choices[:, choices.shape[1] - self.values.shape[1] :])

    def compared(self) -> Tensor:
        """Return the (N, S, H, W) shares whose differences add to distances: those of all choices of a pixel.

        A channel that is a label against everything else counts twice, as its two classes would, whether it holds
        logits or probabilities.
        """
        return self.choices().flatten(1, -3) if self.kind in PROBABILITIES else self.values

    @property
    def whole(self) -> float:
        """The share of a probability of 1."""
        return 1.0 if self.kind in PROBABILITIES else _WHOLE

    @property
    def _has_rest(self) -> bool:
        if self.kind == "logits" and is_exporting():
            return True
        return self.kind == "multilabel" or (self.kind == "logits" and self.channels == 1)

    @property
    def _labels(self) -> Tensor:
        return self.values[:, self.values.shape[1] - self.channels :] if self._has_rest else self.values

    @property
    def _rest(self) -> Tensor:
        return self.values[:, : self.values.shape[1] - self.channels]


def to_probabilities(scores: Tensor, kind: Scores) -> Tensor:
    """Convert (N, C, H, W) scores to probabilities: by a softmax, or a sigmoid for independent or single channels."""
    if kind in PROBABILITIES:
        return scores
    return scores.sigmoid() if kind in MULTILABEL or scores.shape[1] == 1 else scores.softmax(1)


def _shares(logits: Tensor) -> Tensor:
    # The square root is computed first, since exp of the whole logarithm may underflow.
    logs = logits.log_softmax(1)
    if is_recorded(logs):
        root = (logs / 2).exp() * math.sqrt(_WHOLE)
        return root * root
    for few in torch.split(logs, _TOGETHER, 1):  # in place, and while they are in a core's cache
        few.div_(2).exp_().mul_(math.sqrt(_WHOLE)).square_()
    return logs


def _rest_of(probabilities: Tensor) -> Tensor:
    """Return 1 - p, at least 0: averages and bilinear interpolation round some probabilities to a little above 1."""
    return (1 - probabilities).clamp(min=0)


def _is_alone(channels: int, scores: Tensor) -> Tensor:
    """Return as a tensor whether there is one channel, so that an exported program decides it when it runs."""
    return torch.scalar_tensor(channels, device=scores.device) == 1
