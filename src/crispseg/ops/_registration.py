"""Register operations as PyTorch operators, with their schema, implementation, shape rule and gradient."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.library import Library

from crispseg.compatibility import is_transformed, private
from crispseg.ops import implementations
from crispseg.precision import at_least_float32

_AFTER_AUTOGRAD = private("torch._C:_after_autograd_keyset")
_below_autograd = private("torch._C:_AutoDispatchBelowAutograd")
_single_level_allowed = private("torch._functorch.utils:enable_single_level_autograd_function")
_forward_mode_set = private("torch.autograd.forward_ad:_set_fwd_grad_enabled")
_SingleLevelFunction: Any = private("torch.autograd.function:_SingleLevelFunction")

_LIBRARY = Library("crispseg", "DEF")

_NO_FORWARD_MODE = (
    "crispseg.ops.{} has no forward-mode derivative (torch.func.jvp, torch.func.jacfwd, torch.autograd.forward_ad); "
    "use reverse mode: loss.backward(), torch.autograd.grad, torch.func.grad, torch.func.vjp or torch.func.jacrev"
)


def define(schema: str, shapes: Callable[..., Any], run: Callable[..., Any] | None = None) -> None:
    """Define the operator `torch.ops.crispseg.<name>`.

    Args:
        schema: Name, arguments and results.
        shapes: Returns empty results for the arguments, with which `torch.compile` and `torch.export` trace.
        run: Computes the results on any device. None for the function of the same name from the implementation that
            serves the device of the first tensor.
    """
    name = schema.partition("(")[0]
    _LIBRARY.define(schema, tags=(torch.Tag.pt2_compliant_tag,))

    def find_and_run(tensor: Tensor, *arguments: Any) -> Any:
        return implementations.find(name, tensor.device.type)(tensor, *arguments)

    _LIBRARY.impl(name, run or find_and_run, "CompositeExplicitAutograd")
    torch.library.register_fake(f"crispseg::{name}", shapes, lib=_LIBRARY)


def differentiate(name: str, save: Callable[..., None], backward: Callable[..., Any]) -> None:
    """Give an operator its gradient: once, and in reverse mode.

    Args:
        name: The operator.
        save: `save(ctx, inputs, output)` keeps the tensors that the backward needs.
        backward: `backward(ctx, *grads)` returns a gradient for each of the first arguments; the others have none.
    """

    def refuse(ctx: Any, *grads: Tensor) -> None:
        raise RuntimeError(f"crispseg.ops.{name} can be differentiated once; a second derivative is not implemented")

    forward_mode = _NO_FORWARD_MODE.format(name)
    _differentiate(name, save, backward, forward_mode)
    _differentiate(f"{name}_backward", _save_nothing, refuse, forward_mode)


def refuse_derivatives(name: str, message: str) -> None:
    """Let every derivative of an operator, in reverse and in forward mode, raise `NotImplementedError`."""

    def refuse(ctx: Any, *grads: Tensor) -> None:
        raise NotImplementedError(message)

    _differentiate(name, _save_nothing, refuse, message)


def _save_nothing(ctx: Any, inputs: Any, output: Any) -> None:
    pass


def _differentiate(
    operator: str, save: Callable[..., None], backward: Callable[..., Any], no_forward_mode: str
) -> None:
    """Register what `torch.library.register_autograd` does, for `torch.func` and forward mode as well.

    PyTorch's own registration drops the tangents of forward mode in silence, so that a derivative is 0, and cannot be
    called inside `torch.func.grad`.

    Args:
        operator: Its name.
        save: As `differentiate` takes it.
        backward: As `differentiate` takes it.
        no_forward_mode: The message of the error that forward mode raises.
    """
    overload = getattr(torch.ops.crispseg, operator).default

    def below(keys: Any, arguments: tuple[Any, ...]) -> Any:
        with _below_autograd():
            return overload.redispatch(keys & _AFTER_AUTOGRAD, *arguments)

    # A `torch.autograd.Function` would start anew with every transform of `torch.func`; the dispatcher is inside one.
    class Differentiated(_SingleLevelFunction):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, keys: Any, *arguments: Any) -> Any:
            # PyTorch records nothing within a `forward`; a transform of `torch.func` around this one has to.
            nested = is_transformed()
            with _recording() if nested else nullcontext():
                output = below(keys, arguments)
            save(ctx, arguments, output)
            ctx.count = len(arguments)
            return output

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            found = backward(ctx, *grads)
            found = found if isinstance(found, tuple) else (found,)
            return None, *found, *(None,) * (ctx.count - len(found))

        @staticmethod
        def jvp(ctx: Any, *tangents: Any) -> Any:
            raise NotImplementedError(no_forward_mode)

    Differentiated.__name__ = f"{operator}_autograd"

    def run(keys: Any, *arguments: Any) -> Any:
        if not _is_differentiated(arguments):
            return below(keys, arguments)
        with _single_level_allowed():
            return Differentiated.apply(keys, *arguments)

    _LIBRARY.impl(operator, run, "Autograd", with_keyset=True)


@contextmanager
def _recording() -> Iterator[None]:
    with torch.enable_grad(), _forward_mode_set(True):  # noqa: FBT003 - PyTorch's own
        yield


def _is_differentiated(arguments: tuple[Any, ...]) -> bool:
    if forward_ad._current_level >= 0:  # any argument may have a tangent, which `jvp` refuses
        return True
    return torch.is_grad_enabled() and any(isinstance(x, Tensor) and x.requires_grad for x in arguments)


def learns(value: Tensor) -> bool:
    """Return whether a derivative by this argument may be asked for."""
    # Inside `torch.vmap` a tensor does not say whether one is asked for outside of it.
    followed = is_transformed() or forward_ad._current_level >= 0
    return followed or (value.requires_grad and torch.is_grad_enabled())


def as_scalar(value: float | Tensor, like: Tensor) -> Tensor:
    """Return a number, or a tensor of one element, as a 0-dimensional tensor; a number goes to the device of a map."""
    return value.reshape(()) if isinstance(value, Tensor) else like.new_full((), value, dtype=at_least_float32(like))
