"""`local_distance` as an operator."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._layout import empty_pairs
from crispseg.ops._registration import define, differentiate
from crispseg.ops._shift import strided_size


def _shapes(embedding: Tensor, size: int, dilation: int, norm: int, stride: int) -> Tensor:
    height, width = embedding.shape[-2:]
    return empty_pairs(embedding, size**2, strided_size(height, stride), strided_size(width, stride))


def _backward_shapes(grad: Tensor, embedding: Tensor, size: int, dilation: int, norm: int, stride: int) -> Tensor:
    return torch.empty_like(embedding)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    embedding, *ctx.options = inputs
    ctx.save_for_backward(embedding)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    (embedding,) = ctx.saved_tensors
    return torch.ops.crispseg.local_distance_backward(grad, embedding, *ctx.options), None, None, None, None


define("local_distance(Tensor embedding, int size, int dilation, int norm, int stride) -> Tensor", _shapes)
define(
    "local_distance_backward(Tensor grad, Tensor embedding, int size, int dilation, int norm, int stride) -> Tensor",
    _backward_shapes,
)
differentiate("local_distance", _save, _backward)
