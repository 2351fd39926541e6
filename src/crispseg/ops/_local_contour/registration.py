"""`local_contour` as an operator."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._layout import empty_pairs
from crispseg.ops._registration import define, differentiate


def _shapes(boundary: Tensor, size: int, dilation: int) -> Tensor:
    return empty_pairs(boundary, size**2, *boundary.shape[-2:])


def _backward_shapes(grad: Tensor, boundary: Tensor, size: int, dilation: int) -> Tensor:
    return torch.empty_like(boundary)


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    boundary, *ctx.options = inputs
    ctx.save_for_backward(boundary)


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    (boundary,) = ctx.saved_tensors
    return torch.ops.crispseg.local_contour_backward(grad, boundary, *ctx.options), None, None


define("local_contour(Tensor boundary, int size, int dilation) -> Tensor", _shapes)
define("local_contour_backward(Tensor grad, Tensor boundary, int size, int dilation) -> Tensor", _backward_shapes)
differentiate("local_contour", _save, _backward)
