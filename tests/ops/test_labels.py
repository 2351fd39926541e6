"""Labels mean the numbers that they are, in every dtype, and so does the one that is ignored."""

import pytest
import torch
from torch import Tensor

from crispseg import ops
from crispseg.nn import BoundaryLoss
from crispseg.window import Window
from tests.marks import not_traced
from tests.ops import oracle
from tests.ops.served import Server, server

pytestmark = not_traced

__all__ = ["server"]

DTYPES = [torch.uint8, torch.int8, torch.int16, torch.uint16, torch.int32, torch.uint32, torch.int64]

IGNORED: tuple[int, ...] = (
    -(2**63),
    -(2**31),
    -32768,
    -669,
    -256,
    -255,
    -128,
    -100,
    -2,
    -1,
    0,
    1,
    127,
    156,
    254,
    255,
    256,
    257,
    668,
)
IGNORED += (65535, 65536, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1)


def labels_of(dtype: torch.dtype) -> Tensor:
    """Both ends of a dtype, what lies beside them, and small numbers."""
    ends = torch.iinfo(dtype)
    numbers = [ends.min, ends.min + 1, ends.max - 1, ends.max, 0, 1, 2, 100]
    numbers += [n for n in (-1, 156, 255) if ends.min <= n <= ends.max]
    places = torch.randint(0, len(numbers), (1, 4, 6), generator=torch.Generator().manual_seed(0))
    return torch.tensor(numbers)[places].to(dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_any_number_can_be_ignored_in_any_dtype(server: Server, dtype: torch.dtype) -> None:
    labels, window = labels_of(dtype), Window(3)
    embedding = torch.randn(1, 2, 4, 6, generator=torch.Generator().manual_seed(1))
    for ignored in IGNORED[::6] if server.interpreted else IGNORED:
        there = labels.to(server.device)
        parity, valid = ops.local_parity(there, window, ignore_index=ignored)
        same, pair = oracle.local_parity(labels, window, ignore_index=ignored)
        assert torch.equal(parity.cpu(), same)
        assert torch.equal(valid.cpu(), pair)
        expected = oracle.embedding_loss(embedding.double(), labels, window, ignore_index=ignored)
        for learns in (False, True):
            leaf = embedding.to(server.device).requires_grad_(learns)
            found = ops.embedding_loss(leaf, there, window, ignore_index=ignored)
            torch.testing.assert_close(found.detach().cpu().double(), expected, rtol=1e-5, atol=1e-6)


def test_labels_that_int64_may_not_hold_are_refused() -> None:
    labels = torch.zeros(1, 2, 2, dtype=torch.uint64)
    for call in (
        lambda: ops.local_parity(labels, Window(3)),
        lambda: ops.embedding_loss(torch.zeros(1, 1, 2, 2), labels, Window(3)),
        lambda: BoundaryLoss()(torch.zeros(1, 1, 2, 2), labels),
    ):
        with pytest.raises(TypeError, match=r"uint64; expected an integer dtype.*\.long\(\)"):
            call()
