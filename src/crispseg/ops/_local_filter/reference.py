"""`local_filter` in plain PyTorch: a loop over the window, either way."""

import torch
from torch import Tensor

from crispseg.ops._layout import laid_out_states
from crispseg.ops.shift import shifts
from crispseg.precision import at_least_float32
from crispseg.window import Window


def local_filter(
    scores: Tensor, weights: Tensor, size: int, dilation: int, passes: int, normalize: bool, learns: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `crispseg.ops.local_filter`, the sums of the weights and, if these learn, the scores of every pass."""
    window, dtype = Window(size, dilation), at_least_float32(scores, weights)
    wide = _inside(weights.detach().contiguous(), window).to(dtype)
    # A sum of 0 does not divide, and neither does one that is not requested.
    sums = wide.sum(1, keepdim=True) if normalize else wide.new_zeros((wide.shape[0], 1, *wide.shape[2:]))
    states = [scores.to(dtype)]
    for _ in range(passes):
        states.append(_pass(states[-1], wide / _divisor(sums), window))
    result = torch.empty_like(scores).copy_(states[-1])
    return result, sums, laid_out_states(torch.stack(states)) if learns else wide.new_empty(0)


def local_filter_backward(
    grad: Tensor, weights: Tensor, sums: Tensor, states: Tensor, size: int, dilation: int, passes: int, learns: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the scores, and of the weights if they learn."""
    window, channels = Window(size, dilation), grad.shape[1]
    wide = _inside(weights.detach().contiguous(), window).to(sums.dtype)
    upstream, to_shares = grad.to(sums.dtype), torch.zeros_like(wide)
    for i in reversed(range(passes)):
        if learns:
            to_shares += _to_weights(upstream, states[i, :, :channels], window)
        upstream = _to_scores(upstream, wide / _divisor(sums), window)
    to_scores = torch.empty_like(grad).copy_(upstream)
    if not learns:
        return to_scores, weights.new_empty(0)
    # The quotient rule.
    through_sum = (to_shares * wide / _divisor(sums)).sum(1, keepdim=True).masked_fill(sums == 0, 0)
    to_weights = _inside((to_shares - through_sum) / _divisor(sums), window)
    return to_scores, torch.empty_like(weights).copy_(to_weights)


def _divisor(sums: Tensor) -> Tensor:
    return sums.masked_fill(sums == 0, 1)


def _inside(weights: Tensor, window: Window) -> Tensor:
    """Return the weights, with those that point outside the image set to 0."""
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


def _to_scores(grad: Tensor, weights: Tensor, window: Window) -> Tensor:
    """Return the gradient of a pass's scores: the transpose of the pass."""
    result = grad.new_zeros(grad.shape)
    for upstream, weight, target in zip(grad, weights, result, strict=True):
        for shift in shifts(window, *grad.shape[-2:]):
            target[:, *shift.neighbour].addcmul_(weight[shift.k][shift.centre], upstream[:, *shift.centre])
    return result


def _to_weights(grad: Tensor, scores: Tensor, window: Window) -> Tensor:
    """Return the gradient of a pass's weights: the products of the pixel's gradients and the neighbour's scores."""
    result = grad.new_zeros((grad.shape[0], window.count, *grad.shape[2:]))
    for upstream, image, target in zip(grad, scores, result, strict=True):
        for shift in shifts(window, *grad.shape[-2:]):
            target[shift.k][shift.centre] = (upstream[:, *shift.centre] * image[:, *shift.neighbour]).sum(0)
    return result
