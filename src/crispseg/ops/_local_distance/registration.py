"""`local_distance` as an operator."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._layout import empty_pairs
from crispseg.ops._registration import define, differentiate
from crispseg.ops.shift import strided_size


def empty_result(embedding: Tensor, size: int, dilation: int, norm: int, stride: int) -> Tensor:
    """Return an empty result of the operator."""
    height, width = embedding.shape[-2:]
    return empty_pairs(embedding, size**2, strided_size(height, stride), strided_size(width, stride))


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    embedding, *ctx.options = inputs
    ctx.save_for_backward(embedding)


def _backward(ctx: Any, grad: Tensor) -> Tensor:
    to_embedding: Tensor = torch.ops.crispseg.local_distance_backward(grad, *ctx.saved_tensors, *ctx.options)
    return to_embedding


define("local_distance(Tensor embedding, int size, int dilation, int norm, int stride) -> Tensor", empty_result)
define(
    "local_distance_backward(Tensor grad, Tensor embedding, int size, int dilation, int norm, int stride) -> Tensor",
    lambda grad, embedding, *_: torch.empty_like(embedding),
)
differentiate("local_distance", _save, _backward)
