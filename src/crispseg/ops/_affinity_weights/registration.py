"""`affinity_weights` as an operator."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._layout import empty_pairs
from crispseg.ops._registration import define, differentiate


def _shapes(embedding: Tensor, hardness: Tensor, size: int, dilation: int, norm: int, normalize: bool) -> Tensor:
    return empty_pairs(embedding, size**2, *embedding.shape[-2:])


def _backward_shapes(
    grad: Tensor, embedding: Tensor, hardness: Tensor, size: int, dilation: int, norm: int
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(embedding), torch.empty_like(hardness)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    embedding, hardness, *ctx.options, ctx.normalize = inputs
    ctx.save_for_backward(embedding, hardness, output if ctx.normalize else None)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    embedding, hardness, weights = ctx.saved_tensors
    if ctx.normalize:
        grad = _before_division(grad, weights)
    gradients = torch.ops.crispseg.affinity_weights_backward(grad, embedding, hardness, *ctx.options)
    return *gradients, None, None, None, None


def _before_division(grad: Tensor, weights: Tensor) -> Tensor:
    """Return the gradient of the weights before they were divided by their sum.

    The weight of the centre was 1 before, so its weight is now one over the sum.
    """
    wide = weights.to(torch.promote_types(weights.dtype, torch.float32))
    centre = wide[:, weights.shape[1] // 2].unsqueeze(1)
    return (grad - (grad * wide).sum(1, keepdim=True)) * centre


_OPTIONS = "int size, int dilation, int norm"
define(f"affinity_weights(Tensor embedding, Tensor hardness, {_OPTIONS}, bool normalize) -> Tensor", _shapes)
define(
    f"affinity_weights_backward(Tensor grad, Tensor embedding, Tensor hardness, {_OPTIONS}) -> (Tensor, Tensor)",
    _backward_shapes,
)
differentiate("affinity_weights", _save, _backward)
