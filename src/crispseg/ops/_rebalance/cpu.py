"""`rebalance` by the kernel in `csrc/rebalance.cpp`."""

from collections.abc import Sequence

import torch
from torch import Tensor

from crispseg.ops import _kernels


def rebalance(before: Tensor, after: Tensor, guard: float, radii: Sequence[int], keep_thin: float) -> Tensor:
    """See `crispseg.ops.rebalance`."""
    result = torch.empty_like(after, requires_grad=False)
    for one, other, to in zip(*map(_single, (before, after, result)), strict=True):
        large, small = max(radii), min(radii)
        _kernels.kernels().rebalance(one, other, guard, keep_thin, large, small, torch.get_num_threads(), to)
    return result


def _single(shares: Tensor) -> tuple[Tensor, ...]:
    """Return views (N, S, H, W) of shares: one, or for independent choices one for each image."""
    shares = shares.detach()
    return (shares,) if shares.ndim == 4 else shares.transpose(1, 2).unbind(0)
