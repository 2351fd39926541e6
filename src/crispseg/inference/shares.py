"""Shares, which the filter averages in place of scores, and the conversion to and from scores."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from crispseg.scores import MULTILABEL, PROBABILITIES, Scores

_WHOLE = 2.0**96
"""Share of a probability of 1, for logits: float32 then holds probabilities down to exp(-153)."""


class Shares(NamedTuple):
    """How every pixel is shared out between labels: what is upsampled and filtered in place of scores.

    Of logits they are probabilities, times a power of two, which an average does not notice: those of float32 would end
    at exp(-87). Where a label stands against all else, what is left to all else is averaged beside it: 1 - p has no
    digits left where p is almost 1. Probabilities are their own shares.
    """

    values: Tensor
    """(N, S, H, W): a share for each label; before them, where logits stand for themselves, those of all else."""
    kind: Scores
    """Of the scores."""
    channels: int
    """Of the scores."""

    @classmethod
    def of(cls, scores: Tensor, kind: Scores) -> "Shares":
        """Shares of (N, C, H, W) scores, float32 or wider."""
        channels = scores.shape[1]
        if kind in PROBABILITIES:
            return cls(scores, kind, channels)
        if kind == "multilabel":
            against = torch.stack([torch.zeros_like(scores), scores], 1)
            return cls(_shares(against).flatten(1, 2), kind, channels)
        if torch.compiler.is_exporting():  # of how many classes is found when the program runs
            rest = torch.where(_is_alone(channels, scores), 0.0, -torch.inf).to(scores.dtype)
            return cls(_shares(torch.cat([rest.expand_as(scores[:, :1]), scores], 1)), kind, channels)
        alone = [torch.zeros_like(scores)] if channels == 1 else []
        return cls(_shares(torch.cat([*alone, scores], 1)), kind, channels)

    def with_values(self, values: Tensor) -> "Shares":
        """The same after something was done to the values."""
        return self._replace(values=values)

    def mapped(self, function: Callable[[Tensor], Tensor]) -> "Shares":
        """The same after a function of probabilities, those of all else among them."""
        return self.with_values(function(self.values / self._whole) * self._whole)

    def without(self, blank: Tensor | None) -> "Shares":
        """The same, but where the (H, W) mask says so no label has a share, and all else has all."""
        if blank is None:
            return self
        values = self.values.masked_fill(blank, 0)
        if self._has_rest:
            rest = values.shape[1] - self.channels
            values = torch.cat([values[:, :rest].masked_fill(blank, self._whole), values[:, rest:]], 1)
        return self.with_values(values)

    def scores(self) -> Tensor:
        """(N, C, H, W) scores of the kind; logits of classes are log-probabilities."""
        if self.kind in PROBABILITIES:
            return self.values.clamp(0, 1)
        logs = _logs(self._labels)
        if self.kind == "logits" and torch.compiler.is_exporting():
            return torch.where(_is_alone(self.channels, logs), logs - _logs(self._rest), logs)
        return logs - _logs(self._rest) if self._has_rest else logs

    def probabilities(self) -> Tensor:
        """(N, C, H, W) probabilities of the labels."""
        return self._labels / self._whole

    def choices(self) -> Tensor:
        """(N, S, H, W) probabilities between which a pixel decides; with multilabel (N, 2, C, H, W), no or yes."""
        shares = self.values / self._whole
        if self.kind in MULTILABEL:
            no = shares[:, : self.channels] if self._has_rest else 1 - shares
            return torch.stack([no, shares[:, -self.channels :]], 1)
        if self.kind == "probabilities" and torch.compiler.is_exporting():
            rest = torch.where(_is_alone(self.channels, shares), 1 - shares[:, :1], -1)
            return torch.cat([rest, shares], 1)
        return torch.cat([1 - shares, shares], 1) if self.kind == "probabilities" and self.channels == 1 else shares

    def chosen(self, keep: Tensor, kept: "Shares") -> "Shares":
        """The same, but those of others where `keep` says so, which has the shape of `choices` but one choice."""
        whole = keep.repeat(1, 2, 1, 1, 1).flatten(1, 2) if self.kind == "multilabel" else keep.flatten(1, -3)
        return self.with_values(torch.where(whole, kept.values, self.values))

    @property
    def _whole(self) -> float:
        return 1.0 if self.kind in PROBABILITIES else _WHOLE

    @property
    def _has_rest(self) -> bool:
        if self.kind == "logits" and torch.compiler.is_exporting():
            return True
        return self.kind == "multilabel" or (self.kind == "logits" and self.channels == 1)

    @property
    def _labels(self) -> Tensor:
        return self.values[:, self.values.shape[1] - self.channels :] if self._has_rest else self.values

    @property
    def _rest(self) -> Tensor:
        return self.values[:, : self.values.shape[1] - self.channels]


def to_probabilities(scores: Tensor, kind: Scores) -> Tensor:
    """(N, C, H, W) scores to probabilities: logits by a softmax, or by a sigmoid where a channel stands for itself."""
    if kind in PROBABILITIES:
        return scores
    return scores.sigmoid() if kind in MULTILABEL or scores.shape[1] == 1 else scores.softmax(1)


def _shares(logits: Tensor) -> Tensor:
    # Squared, since exp of the whole logarithm may be below what the dtype holds.
    root = (logits.log_softmax(1) / 2).exp() * math.sqrt(_WHOLE)
    return root * root


def _logs(shares: Tensor) -> Tensor:
    """Logarithms of shares as of probabilities, with all digits at either end of the range."""
    held = shares.clamp(min=torch.finfo(shares.dtype).tiny)
    small = held < 1
    large = torch.where(small, 1.0, held / _WHOLE).log()
    return torch.where(small, held.clamp(max=1).log() - math.log(_WHOLE), large)


def _is_alone(channels: int, scores: Tensor) -> Tensor:
    """Whether there is one channel, as a tensor: found when an exported program runs, not when it is made."""
    return torch.scalar_tensor(channels, device=scores.device) == 1
