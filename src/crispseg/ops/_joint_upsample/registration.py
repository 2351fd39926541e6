"""`joint_upsample` as an operator. Each axis is a list of the six numbers of `Axis`."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._registration import define, differentiate


def empty_result(value: Tensor, centres: Tensor, features: Tensor, *_: Any) -> Tensor:
    """Return an empty map with the channels of the value and the size of the features."""
    return value.new_empty((*value.shape[:2], *features.shape[-2:]))


def _backward_shapes(grad: Tensor, *inputs: Any) -> tuple[Tensor, ...]:
    return tuple(torch.empty_like(x) for x in inputs[:4])


def _save(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:4])
    ctx.options = inputs[4:]


def _backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
    gradients = torch.ops.crispseg.joint_upsample_backward(grad, *ctx.saved_tensors, *ctx.options)
    return tuple(gradients)


_ARGUMENTS = "Tensor value, Tensor centres, Tensor features, Tensor hardness, SymInt[] rows, SymInt[] columns, int norm"
define(f"joint_upsample({_ARGUMENTS}) -> Tensor", empty_result)
define(f"joint_upsample_backward(Tensor grad, {_ARGUMENTS}) -> (Tensor, Tensor, Tensor, Tensor)", _backward_shapes)
differentiate("joint_upsample", _save, _backward)
