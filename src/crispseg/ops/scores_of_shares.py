"""Scores of shares: logarithms, exact at both ends of the range of a float, or probabilities."""

import math

import torch
from torch import Tensor

from crispseg.checks import is_recorded
from crispseg.ops.exporting import keeps_operators

_NORMAL = 2.0**-30
"""Shares from here on keep all their digits when they are divided by the whole."""

_MOST_GROWTH = 2.0**100
"""Sums that grow more become 0, so that float32 holds every quotient."""

_TOGETHER = 4
"""The number of channels that are converted at a time, so that temporary maps stay few and in a core's cache."""


def to_scores(shares: Tensor, before: Tensor, after: Tensor, whole: float | None) -> Tensor:
    """Replace (N, C, H, W) shares by the scores of the same, times after / before; return the same tensor."""
    factor = torch.where(is_divided(before, after), after / before, 0)
    for few in torch.split(shares, _TOGETHER, 1):
        few.mul_(factor)
        if whole is None:
            few.clamp_(0, 1)
        else:
            few.copy_(logs_of_shares(few, whole))
    return shares


def is_divided(before: Tensor, after: Tensor) -> Tensor:
    """Return where sums grow by less than `_MOST_GROWTH`, and are not 0."""
    return before > after / _MOST_GROWTH


def logs_of_shares(shares: Tensor, whole: float) -> Tensor:
    """Return the logarithms of the probabilities share / whole.

    Example:
        >>> logs_of_shares(torch.tensor([2.0**96, 1.0]), 2.0**96)
        tensor([  0.0000, -66.5421])
    """
    if not is_recorded(shares) and shares.numel() and shares.amin() >= _NORMAL:  # as most are
        return (shares / whole).log_()
    if keeps_operators():  # such a program runs one of the two
        least = shares.amin(tuple(range(shares.ndim)))
        return torch.where(least >= _NORMAL, (shares / whole).log(), _exact_logs(shares, whole))
    return _exact_logs(shares, whole)


def _exact_logs(shares: Tensor, whole: float) -> Tensor:
    held = shares.clamp(min=torch.finfo(shares.dtype).tiny)
    small = held < 1
    large = torch.where(small, 1.0, held / whole).log()
    return torch.where(small, held.clamp(max=1).log() - math.log(whole), large)
