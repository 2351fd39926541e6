"""No operation writes to what it is given, and nothing that it returns shares memory with it; whatever the layout."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from crispseg.window import Window
from tests.marks import not_traced
from tests.ops.contract import OPERATIONS, Inputs, Operation
from tests.ops.served import Server, server

__all__ = ["server"]

pytestmark = [not_traced, pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")]

FLOATS = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
WHOLE = (torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64)


def _contiguous(x: Tensor) -> Tensor:
    return x.contiguous()


def _channels_last(x: Tensor) -> Tensor:
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def _transposed(x: Tensor) -> Tensor:
    return x.mT.contiguous().mT if x.ndim else x


def _strided(x: Tensor) -> Tensor:
    """Every second element of larger memory, from the second."""
    room = x.new_zeros([2 * n for n in x.shape])
    view = room[tuple(slice(1, None, 2) for _ in x.shape)]
    return view.copy_(x)


def _expanded(x: Tensor) -> Tensor:
    return x[:1].expand_as(x) if x.ndim else x


def _one_for_all(x: Tensor) -> Tensor:
    """A single number for all pixels."""
    return x.flatten()[0].expand_as(x)


def _read_only(x: Tensor) -> Tensor:
    if x.dtype == torch.bfloat16:  # which NumPy does not know
        return x
    array = x.numpy().copy()
    array.flags.writeable = False
    return torch.from_numpy(array)


LAYOUTS: list[Callable[[Tensor], Tensor]] = [
    _contiguous,
    _channels_last,
    _transposed,
    _strided,
    _expanded,
    _one_for_all,
    _read_only,
]


def bits(x: Tensor) -> bytes:
    """All memory behind a tensor, what lies between its elements too."""
    memory = torch.empty(0, dtype=torch.uint8, device=x.device).set_(x.detach().untyped_storage())
    return memory.cpu().numpy().tobytes()


def _memory(x: Tensor) -> tuple[int, str]:
    return x.untyped_storage().data_ptr(), str(x.device)


def check(op: Operation, given: Inputs, window: Window, options: dict[str, Any]) -> None:
    """Bits before and after, forward and backward, of inputs, of the result and of what arrives at it."""
    learning = [x for x in given if x.is_floating_point()]
    for leaves in (given, tuple(x.detach().requires_grad_(x.is_floating_point()) for x in given)):
        before = [bits(x) for x in leaves]
        result = op.call(*leaves, window, **options)
        assert [bits(x) for x in leaves] == before, "the way there writes to an input"
        assert _memory(result) not in [_memory(x) for x in given], "the result shares memory with an input"
        if not result.requires_grad:
            continue
        upstream = torch.ones_like(result).detach()
        kept = bits(result), bits(upstream)
        gradients = torch.autograd.grad(result, [x for x in leaves if x.requires_grad], upstream)
        assert [bits(x) for x in leaves] == before, "the way back writes to an input"
        assert (bits(result), bits(upstream)) == kept, "the way back writes to the result, or to what arrives at it"
        taken = [_memory(x) for x in (*learning, result, upstream)]
        assert not [x for x in gradients if x.numel() and _memory(x) in taken], "a gradient shares memory"


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda f: f.__name__[1:])
@pytest.mark.parametrize("op", OPERATIONS, ids=str)
def test_inputs_keep_their_bits(server: Server, op: Operation, layout: Callable[[Tensor], Tensor]) -> None:
    window = Window(3)
    drawn = op.draw(torch.Generator().manual_seed(0), (2, 3, 6, 5), window)
    cases = [(floats, torch.int64) for floats in FLOATS]
    if not all(x.is_floating_point() for x in drawn):
        cases += [(torch.float32, whole) for whole in WHOLE[:-1]]
    # The interpreter takes its time: it gets each dtype in some layout, and each layout in some dtypes.
    for floats, whole in cases[LAYOUTS.index(layout) % 4 :: 4] if server.interpreted else cases:
        cast = (x.to(floats) if x.is_floating_point() else (x % 100).to(whole) for x in drawn)
        given = tuple(layout(x).to(server.device) if x.ndim else x.to(server.device) for x in cast)
        # A label of each kind is ignored, so that a kernel that marks it in place would be seen.
        ignored = {"ignore_index": int(given[-1].flatten()[0])} if op.name in ("embedding_loss", "local_parity") else {}
        for options in op.options[:1] if server.interpreted else op.options:
            check(op, given, window, {**options, **ignored})
