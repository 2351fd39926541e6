"""`local_filter` in plain PyTorch: a loop over the window, with a backward that keeps only the scores of each pass."""

import torch
from torch import Tensor

from crispseg.ops._shift import shifts
from crispseg.window import Window


def local_filter(scores: Tensor, weights: Tensor, size: int, dilation: int, iterations: int, normalize: bool) -> Tensor:
    """See `crispseg.ops.local_filter`."""
    window = Window(size, dilation)
    wide, _ = _normalized(scores, weights, window, normalize)
    filtered = scores.to(wide.dtype)
    for _ in range(iterations):
        filtered = _pass(filtered, wide, window)
    return torch.empty_like(scores).copy_(filtered)


def local_filter_backward(
    grad: Tensor, scores: Tensor, weights: Tensor, size: int, dilation: int, iterations: int, normalize: bool
) -> tuple[Tensor, Tensor]:
    """Gradients to scores and weights."""
    window = Window(size, dilation)
    wide, total = _normalized(scores, weights, window, normalize)
    states = [scores.to(wide.dtype)]
    for _ in range(iterations - 1):
        states.append(_pass(states[-1], wide, window))
    upstream, to_weights = grad.to(wide.dtype), torch.zeros_like(wide)
    for state in reversed(states):
        upstream, step = _pass_backward(upstream, state, wide, window)
        to_weights += step
    if normalize:
        # The quotient rule; a sum of 0 divided nothing.
        through_sum = (to_weights * wide).sum(1, keepdim=True).masked_fill(total == 0, 0)
        to_weights = (to_weights - through_sum) / total.masked_fill(total == 0, 1)
    to_weights = _inside(to_weights, window)
    return torch.empty_like(scores).copy_(upstream), torch.empty_like(weights).copy_(to_weights)


def _normalized(scores: Tensor, weights: Tensor, window: Window, normalize: bool) -> tuple[Tensor, Tensor]:
    """Weights in the accumulation dtype, 0 outside the image and divided by their sum; and that sum."""
    dtype = torch.promote_types(torch.promote_types(scores.dtype, weights.dtype), torch.float32)
    wide = _inside(weights.detach().contiguous(), window).to(dtype)
    total = wide.sum(1, keepdim=True)
    return (wide / total.masked_fill(total == 0, 1) if normalize else wide), total


def _inside(weights: Tensor, window: Window) -> Tensor:
    """Weights with those that point outside the image set to 0."""
    outside = torch.ones(weights.shape[1:], dtype=torch.bool, device=weights.device)
    for shift in shifts(window, *weights.shape[-2:]):
        outside[shift.k][shift.out] = False
    return weights.masked_fill(outside, 0)


def _pass(scores: Tensor, weights: Tensor, window: Window) -> Tensor:
    result = scores.new_zeros(scores.shape)
    for image, weight, target in zip(scores, weights, result, strict=True):
        for shift in shifts(window, *scores.shape[-2:]):
            target[:, *shift.centre].addcmul_(weight[shift.k][shift.centre], image[:, *shift.neighbour])
    return result


def _pass_backward(grad: Tensor, scores: Tensor, weights: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    grad_scores, grad_weights = scores.new_zeros(scores.shape), weights.new_zeros(weights.shape)
    for n in range(scores.shape[0]):
        for shift in shifts(window, *scores.shape[-2:]):
            upstream = grad[n, :, *shift.centre]
            grad_scores[n, :, *shift.neighbour].addcmul_(weights[n, shift.k, *shift.centre], upstream)
            grad_weights[n, shift.k, *shift.centre] = (upstream * scores[n, :, *shift.neighbour]).sum(0)
    return grad_scores, grad_weights
