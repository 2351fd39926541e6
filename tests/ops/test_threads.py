"""Every bit of a result and of its gradients is the same on any number of threads."""

from typing import Any

import pytest
import torch
from torch import Tensor

from crispseg.ops._sums import total
from crispseg.window import Window
from tests.marks import not_traced
from tests.ops.contract import OPERATIONS, Inputs, Operation, cast
from tests.ops.served import SERVERS, Server, server
from tests.ops.threads import with_threads

pytestmark = not_traced

__all__ = ["server"]

# Above 32768 elements PyTorch's operators work on several threads; odd numbers part between its vectors.
SHAPES = {(1, 8, 61, 117): (2, 4), (2, 21, 41, 93): (3,)}
"""Sizes, and the numbers of threads whose results are held against those of one."""

# Kernels for a GPU have no threads of the processor, and what plain PyTorch does behind them is the reference's.
SERVING = [server for server in SERVERS if server.module != "triton"]

CASES = [pytest.param(op, options, id=f"{op}-{options}") for op in OPERATIONS for options in op.options]


def everything(op: Operation, inputs: Inputs, window: Window, options: dict[str, Any]) -> list[Tensor]:
    """The result, and the gradient of every input for one that arrives at it."""
    leaves = tuple(x.clone().requires_grad_(x.is_floating_point()) for x in inputs)
    result = op.call(*leaves, window, **options)
    if not result.requires_grad:
        return [result]
    upstream = torch.rand(result.shape, generator=torch.Generator().manual_seed(1)).to(result)
    return [result.detach(), *torch.autograd.grad(result, [x for x in leaves if x.requires_grad], upstream)]


@pytest.mark.parametrize("server", SERVING, indirect=True, ids=str)
@pytest.mark.parametrize(("op", "options"), CASES)
def test_bits_do_not_depend_on_threads(server: Server, op: Operation, options: dict[str, Any]) -> None:
    window = Window(3)
    for shape, numbers in SHAPES.items():
        inputs = cast(op.draw(torch.Generator().manual_seed(0), shape, window), torch.float32)
        with with_threads(1):
            expected = everything(op, inputs, window, options)
        for threads in numbers:
            with with_threads(threads):
                found = everything(op, inputs, window, options)
            for place, (one, other) in enumerate(zip(found, expected, strict=True)):
                assert torch.equal(one, other), f"{threads} threads, {'gradient' if place else 'result'} {place}"


def test_a_total_does_not_depend_on_threads() -> None:
    values = torch.rand(3, 5, 101, 301, generator=torch.Generator().manual_seed(0)) - 0.3
    sums = []
    for threads in (1, 2, 3, 4, 7):
        with with_threads(threads):
            sums.append(total(values).item())
    assert len(set(sums)) == 1
    assert sums[0] == pytest.approx(values.double().sum().item(), rel=1e-5)
    assert total(values[:0]).item() == 0
