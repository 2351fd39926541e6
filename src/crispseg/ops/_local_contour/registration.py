"""`local_contour` as an operator."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._layout import empty_pairs
from crispseg.ops._registration import define, differentiate


def empty_result(boundary: Tensor, size: int, dilation: int) -> Tensor:
    """Return an empty result of the operator."""
    return empty_pairs(boundary, size**2, *boundary.shape[-2:])


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    boundary, *ctx.options = inputs
    ctx.save_for_backward(boundary)


def _backward(ctx: Any, grad: Tensor) -> Tensor:
    to_boundary: Tensor = torch.ops.crispseg.local_contour_backward(grad, *ctx.saved_tensors, *ctx.options)
    return to_boundary


define("local_contour(Tensor boundary, int size, int dilation) -> Tensor", empty_result)
define(
    "local_contour_backward(Tensor grad, Tensor boundary, int size, int dilation) -> Tensor",
    lambda grad, boundary, *_: torch.empty_like(boundary),
)
differentiate("local_contour", _save, _backward)
