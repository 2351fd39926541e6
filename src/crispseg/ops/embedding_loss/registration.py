"""`embedding_loss` as an operator."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._registration import define, differentiate


def _shapes(embedding: Tensor, labels: Tensor, *options: Any) -> Tensor:
    return embedding.new_empty((), dtype=torch.promote_types(embedding.dtype, torch.float32))


def _backward_shapes(grad: Tensor, embedding: Tensor, labels: Tensor, *options: Any) -> Tensor:
    return torch.empty_like(embedding)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    embedding, labels, *ctx.options = inputs
    ctx.save_for_backward(embedding, labels)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    embedding, labels = ctx.saved_tensors
    to_embedding = torch.ops.crispseg.embedding_loss_backward(grad, embedding, labels, *ctx.options)
    return to_embedding, *[None] * (1 + len(ctx.options))


_ARGUMENTS = (
    "Tensor embedding, Tensor labels, int size, int dilation, float near, float far, int norm, int stride, "
    "int ignore_index, str balance, str reduction"
)
define(f"embedding_loss({_ARGUMENTS}) -> Tensor", _shapes)
define(f"embedding_loss_backward(Tensor grad, {_ARGUMENTS}) -> Tensor", _backward_shapes)
differentiate("embedding_loss", _save, _backward)
