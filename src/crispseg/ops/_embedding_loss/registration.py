"""`embedding_loss` as an operator, which works out its gradient together with the loss where it `learns`."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._registration import define, differentiate
from crispseg.precision import at_least_float32


def _shapes(embedding: Tensor, labels: Tensor, *options: Any) -> tuple[Tensor, Tensor]:
    wide = at_least_float32(embedding)
    *_, learns = options
    gradient = torch.empty_like(embedding, dtype=wide) if learns else embedding.new_empty(0, dtype=wide)
    return embedding.new_empty((), dtype=wide), gradient


def _backward_shapes(grad: Tensor, gradient: Tensor) -> Tensor:
    return torch.empty_like(gradient)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    embedding, _, *options = inputs
    _, gradient = output
    ctx.dtype, ctx.options = embedding.dtype, len(options)
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(gradient)
    ctx.save_for_backward(gradient)


def _backward(ctx: Any, grad: Tensor | None, _: None) -> tuple[Tensor | None, ...]:
    (gradient,) = ctx.saved_tensors
    others = [None] * (1 + ctx.options)
    if grad is None:
        return None, *others
    return torch.ops.crispseg.embedding_loss_backward(grad, gradient).to(ctx.dtype), *others


define(
    "embedding_loss(Tensor embedding, Tensor labels, int size, int dilation, float near, float far, int norm, "
    "int stride, int ignore_index, str balance, str reduction, bool learns) -> (Tensor loss, Tensor gradient)",
    _shapes,
)
define("embedding_loss_backward(Tensor grad, Tensor gradient) -> Tensor", _backward_shapes)
differentiate("embedding_loss", _save, _backward)
