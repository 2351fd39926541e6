"""`rebalance` in plain PyTorch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from crispseg.ops.rebalancing import keeping_thin, rebalanced, sums_around
from crispseg.precision import at_least_float32


def rebalance(before: Tensor, after: Tensor, guard: float, radii: Sequence[int], keep_thin: float) -> Tensor:
    """See `crispseg.ops.rebalance`."""
    wide = at_least_float32(before, after)
    chances = before.to(wide)
    shares = keeping_thin(chances, after.to(wide), keep_thin)
    kept = rebalanced(shares, {radius: sums_around(chances, radius) for radius in radii}, guard)
    total = kept.sum(1, keepdim=True)
    return (kept * torch.where(total > 0, shares.sum(1, keepdim=True) / total, 1)).to(after.dtype)
