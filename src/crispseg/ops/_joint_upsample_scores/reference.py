"""`joint_upsample_scores` in plain PyTorch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from crispseg.ops._joint_upsample import reference
from crispseg.ops._logs import logs_of_shares

MOST_GROWTH = 2.0**100
"""Sums that grow more become 0, so that float32 holds every quotient."""

_TOGETHER = 4
"""The number of channels that are converted at a time, so that temporary maps stay few and in a core's cache."""


def joint_upsample_scores(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    before: Tensor,
    after: Tensor,
    hardness: Tensor,
    rows: Sequence[int],
    columns: Sequence[int],
    norm: int,
    whole: float | None,
) -> Tensor:
    """See `crispseg.ops._joint_upsample_scores.joint_upsample_scores`."""
    upsampled = reference.joint_upsample(value, centres, features, hardness, rows, columns, norm)
    return to_scores(upsampled, before, after, whole)


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
    """Return where sums grow by less than `MOST_GROWTH`, and are not 0."""
    return before > after / MOST_GROWTH
