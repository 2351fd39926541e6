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


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
    _, gradient = output
    ctx.dtype = inputs[0].dtype
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(gradient)
    ctx.save_for_backward(gradient)


def _backward(ctx: Any, grad: Tensor | None, _: None) -> Tensor | None:
    if grad is None:
        return None
    to_embedding: Tensor = torch.ops.crispseg.embedding_loss_backward(grad, *ctx.saved_tensors)
    return to_embedding.to(ctx.dtype)


define(
    "embedding_loss(Tensor embedding, Tensor labels, int size, int dilation, float near, float far, int norm, "
    "int stride, int ignore_index, str balance, str reduction, bool learns) -> (Tensor loss, Tensor gradient)",
    _shapes,
)
define(
    "embedding_loss_backward(Tensor grad, Tensor gradient) -> Tensor",
    lambda grad, gradient: torch.empty_like(gradient),
)
differentiate("embedding_loss", _save, _backward)
