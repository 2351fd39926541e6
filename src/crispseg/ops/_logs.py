"""Logarithms of shares, exact at both ends of the range of a float."""

import math

import torch
from torch import Tensor

from crispseg.checks import is_recorded
from crispseg.ops._exporting import keeps_operators

_NORMAL = 2.0**-30
"""Shares from here on keep all their digits when they are divided by the whole."""


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
