"""On a device without float64 nothing asks for it; the CPU stands for one here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from crispseg import precision
from crispseg.ops import implementations
from crispseg.pictures.colours import principal_components
from crispseg.window import Window
from tests.ops.contract import OPERATIONS, Operation, cast
from tests.ops.served import SERVERS, served_by

REFERENCE = next(server for server in SERVERS if str(server) == "reference")


class Narrow(TorchDispatchMode):
    """A device whose operators neither take nor give float64."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for value in torch.utils._pytree.tree_leaves((args, kwargs, result)):
            assert not (isinstance(value, Tensor) and value.dtype == torch.float64), f"{func} has float64"
        return result


@contextmanager
def narrow_references() -> Iterator[None]:
    """Have the references serve, each of them on such a device: a mode does not see into an operator by itself."""
    with served_by(REFERENCE):
        find = implementations.find

        def narrow(function: str, device_type: str) -> Callable[..., Any]:
            def run(*arguments: Any) -> Any:
                with Narrow():
                    return find(function, device_type)(*arguments)

            return run

        with mock.patch.object(implementations, "find", narrow):
            yield


@pytest.mark.parametrize("operation", OPERATIONS, ids=str)
def test_references_stay_within_float32(operation: Operation) -> None:
    window = Window(3)
    drawn = cast(operation.draw(torch.Generator().manual_seed(0), (2, 2, 40, 41), window), torch.float32)
    for options in operation.options:
        inputs = [x.clone().requires_grad_(x.is_floating_point()) for x in drawn]
        with narrow_references():
            result = operation.call(*inputs, window=window, **options)
            if result.requires_grad:
                result.square().sum().backward()


def test_components_are_drawn_in_the_widest_dtype(monkeypatch: pytest.MonkeyPatch) -> None:
    embedding = torch.randn(6, 40, 50, generator=torch.Generator().manual_seed(1)) * torch.arange(1, 7)[:, None, None]
    expected = principal_components(embedding)
    monkeypatch.setattr(precision, "_WITHOUT_FLOAT64", {"cpu"})
    with Narrow():
        found = principal_components(embedding)
    assert (found.int() - expected.int()).abs().max() <= 1


def test_the_widest_dtype_is_that_of_the_device() -> None:
    assert precision.widest(torch.device("cpu")) == torch.float64
    assert precision.widest(torch.device("cuda", 1)) == torch.float64
    assert precision.widest(torch.device("mps")) == torch.float32
