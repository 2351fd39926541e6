"""`affinity_weights` as an operator."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._layout import empty_pairs
from crispseg.ops._registration import define, differentiate
from crispseg.precision import at_least_float32


def _shapes(embedding: Tensor, hardness: Tensor, scores: Tensor | None, weight: Tensor | None, *options: int) -> Tensor:
    return empty_pairs(embedding, options[0] ** 2, *embedding.shape[-2:], planar=not options[-1])


def _backward_shapes(
    grad: Tensor, embedding: Tensor, hardness: Tensor, scores: Tensor | None, weight: Tensor | None, *options: int
) -> tuple[Tensor, ...]:
    further = [embedding.new_empty(0) if x is None else torch.empty_like(x) for x in (scores, weight)]
    return torch.empty_like(embedding), torch.empty_like(hardness), *further


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, size, dilation, norm, ctx.normalize, _ = inputs
    ctx.options = size, dilation, norm
    ctx.save_for_backward(*tensors, output if ctx.normalize else None)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    *tensors, weights = ctx.saved_tensors
    if ctx.normalize:
        grad = _before_division(grad, weights)
    gradients = torch.ops.crispseg.affinity_weights_backward(grad, *tensors, *ctx.options)
    return tuple(None if x is None else gradient for x, gradient in zip(tensors, gradients, strict=True))


def _before_division(grad: Tensor, weights: Tensor) -> Tensor:
    """Return the gradient of the weights before they were divided by their sum.

    The weight of the centre was 1 before, so its weight is now one over the sum.
    """
    wide = weights.to(at_least_float32(weights))
    centre = wide[:, weights.shape[1] // 2].unsqueeze(1)
    return (grad - (grad * wide).sum(1, keepdim=True)) * centre


_ARGUMENTS = "Tensor embedding, Tensor hardness, Tensor? scores, Tensor? score_weight, int size, int dilation, int norm"
define(f"affinity_weights({_ARGUMENTS}, bool normalize, bool learns) -> Tensor", _shapes)
define(f"affinity_weights_backward(Tensor grad, {_ARGUMENTS}) -> (Tensor, Tensor, Tensor, Tensor)", _backward_shapes)
differentiate("affinity_weights", _save, _backward)
