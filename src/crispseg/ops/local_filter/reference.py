"""`local_filter` in plain PyTorch: a loop over the window, with a backward that keeps only scores and weights."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from crispseg.ops._shift import shifts
from crispseg.window import Window


def local_filter_reference(
    scores: Tensor, weights: Tensor, window: Window, *, iterations: int = 1, normalize: bool = True
) -> Tensor:
    """See `crispseg.ops.local_filter`."""
    dtype = torch.promote_types(torch.promote_types(scores.dtype, weights.dtype), torch.float32)
    wide_weights = _inside(weights, window).to(dtype)
    if normalize:
        total = wide_weights.sum(1, keepdim=True)
        wide_weights = wide_weights / total.masked_fill(total == 0, 1)
    filtered = scores.to(dtype).contiguous()
    for _ in range(iterations):
        filtered = _WeightedSum.apply(filtered, wide_weights, window)
    return filtered.to(scores.dtype)


def _inside(weights: Tensor, window: Window) -> Tensor:
    """Weights with those that point outside the image set to 0."""
    outside = torch.ones(weights.shape[1:], dtype=torch.bool, device=weights.device)
    for shift in shifts(window, *weights.shape[-2:]):
        outside[shift.k][shift.out] = False
    return weights.masked_fill(outside, 0)


class _WeightedSum(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, weights: Tensor, window: Window) -> Tensor:
        ctx.save_for_backward(scores, weights)
        ctx.window = window
        result = torch.zeros_like(scores)
        for image, weight, target in zip(scores, weights, result, strict=True):
            for shift in shifts(window, *scores.shape[-2:]):
                target[:, *shift.centre].addcmul_(weight[shift.k][shift.centre], image[:, *shift.neighbour])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        scores, weights = ctx.saved_tensors
        grad_scores, grad_weights = torch.zeros_like(scores), torch.zeros_like(weights)
        for n in range(scores.shape[0]):
            for shift in shifts(ctx.window, *scores.shape[-2:]):
                upstream = grad[n, :, *shift.centre]
                grad_scores[n, :, *shift.neighbour].addcmul_(weights[n, shift.k, *shift.centre], upstream)
                product = upstream * scores[n, :, *shift.neighbour]
                grad_weights[n, shift.k, *shift.centre] = product.sum(0)
        return grad_scores, grad_weights, None
