"""How an operation becomes a PyTorch operator: its schema, what serves it, its shape rule, its gradient."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.library import Library

from crispseg.ops import implementations

_LIBRARY = Library("crispseg", "DEF")


def define(schema: str, shapes: Callable[..., Any]) -> None:
    """Define the operator `torch.ops.crispseg.<name>`.

    It runs the function of the same name from the implementation that serves the device of its first tensor.

    Args:
        schema: Name, arguments and results.
        shapes: Gives empty results for the arguments: what `torch.compile` and `torch.export` trace with.
    """
    name = schema.partition("(")[0]
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))

    def run(tensor: Tensor, *arguments: Any) -> Any:
        return implementations.find(name, tensor.device.type)(tensor, *arguments)

    _LIBRARY.impl(name, run, "CompositeExplicitAutograd")
    torch.library.register_fake(f"crispseg::{name}", shapes, lib=_LIBRARY)


def differentiate(name: str, save: Callable[..., None], backward: Callable[..., Any]) -> None:
    """Give an operator its gradient, once.

    Args:
        name: The operator.
        save: `save(ctx, inputs, output)` keeps what the way back needs.
        backward: `backward(ctx, grad)` returns a gradient for every argument.
    """
    torch.library.register_autograd(f"crispseg::{name}", backward, setup_context=save, lib=_LIBRARY)

    def refuse(ctx: Any, *grads: Tensor) -> None:
        raise RuntimeError(f"crispseg.ops.{name} can be differentiated once; a second derivative is not implemented")

    torch.library.register_autograd(f"crispseg::{name}_backward", refuse, lib=_LIBRARY)
