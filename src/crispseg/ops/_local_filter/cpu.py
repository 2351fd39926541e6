"""`local_filter` by the kernels in `csrc/local_filter.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._layout import laid_out_states
from crispseg.ops._local_filter.registration import empty_results


def local_filter(
    scores: Tensor, weights: Tensor, size: int, dilation: int, passes: int, normalize: bool, learns: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `crispseg.ops.local_filter`, the sums of the weights and, if these learn, the scores of every pass."""
    result, sums, states = empty_results(scores, weights, size, dilation, passes, normalize, learns)
    _kernels.kernels().local_filter(
        scores.detach(),
        weights.detach(),
        size,
        dilation,
        passes,
        normalize,
        torch.get_num_threads(),
        result,
        sums,
        states.flatten(0, 1) if learns else None,
    )
    return result, sums, states


def local_filter_backward(
    grad: Tensor, weights: Tensor, sums: Tensor, states: Tensor, size: int, dilation: int, passes: int, learns: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the scores, and of the weights if they learn."""
    to_scores = torch.empty_like(grad, requires_grad=False)
    to_weights = torch.empty_like(weights, dtype=sums.dtype, requires_grad=False) if learns else weights.new_empty(0)
    _kernels.kernels().local_filter_backward(
        grad.detach(),
        weights.detach(),
        sums.contiguous(),
        laid_out_states(states).flatten(0, 1) if learns else None,
        size,
        dilation,
        passes,
        torch.get_num_threads(),
        to_scores,
        to_weights if learns else None,
    )
    return to_scores, to_weights.to(weights.dtype)
