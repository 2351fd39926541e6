"""`local_filter` as an operator."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._registration import define, differentiate


def _shapes(scores: Tensor, weights: Tensor, size: int, dilation: int, iterations: int, normalize: bool) -> Tensor:
    return torch.empty_like(scores)


def _backward_shapes(
    grad: Tensor, scores: Tensor, weights: Tensor, size: int, dilation: int, iterations: int, normalize: bool
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(scores), torch.empty_like(weights)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    scores, weights, *ctx.options = inputs
    ctx.save_for_backward(scores, weights)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    scores, weights = ctx.saved_tensors
    return *torch.ops.crispseg.local_filter_backward(grad, scores, weights, *ctx.options), None, None, None, None


_OPTIONS = "int size, int dilation, int iterations, bool normalize"
define(f"local_filter(Tensor scores, Tensor weights, {_OPTIONS}) -> Tensor", _shapes)
define(
    f"local_filter_backward(Tensor grad, Tensor scores, Tensor weights, {_OPTIONS}) -> (Tensor, Tensor)",
    _backward_shapes,
)
differentiate("local_filter", _save, _backward)
