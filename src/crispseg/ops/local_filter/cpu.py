"""`local_filter` by the kernels in `csrc/local_filter.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels


def local_filter(scores: Tensor, weights: Tensor, size: int, dilation: int, iterations: int, normalize: bool) -> Tensor:
    """See `crispseg.ops.local_filter`."""
    result = torch.empty_like(scores, requires_grad=False)
    threads = torch.get_num_threads()
    _kernels.kernels().local_filter(
        scores.detach(), weights.detach(), size, dilation, iterations, normalize, threads, result
    )
    return result


def local_filter_backward(
    grad: Tensor, scores: Tensor, weights: Tensor, size: int, dilation: int, iterations: int, normalize: bool
) -> tuple[Tensor, Tensor]:
    """Gradients to scores and weights."""
    grad_scores = torch.empty_like(scores, requires_grad=False)
    dtype = torch.promote_types(torch.promote_types(scores.dtype, weights.dtype), torch.float32)
    grad_weights = torch.empty_like(weights, dtype=dtype, requires_grad=False)
    _kernels.kernels().local_filter_backward(
        grad.detach(),
        scores.detach(),
        weights.detach(),
        size,
        dilation,
        iterations,
        normalize,
        torch.get_num_threads(),
        grad_scores,
        grad_weights,
    )
    return grad_scores, grad_weights.to(weights.dtype)
