"""Some hundred calls of the fuzz, and that it goes red where an operation is broken."""

from typing import Any
from unittest import mock

import pytest
import torch
from torch import Tensor

from crispseg import ops
from tests.marks import not_traced
from tests.ops import fuzz

pytestmark = [not_traced, pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")]


def test_some_calls_are_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert fuzz.run(7, range(200)) == 0
    assert "fuzz, seed 7: 200 calls (affinity " in capsys.readouterr().out


def test_a_call_is_drawn_from_its_seed_and_number_alone() -> None:
    assert fuzz.draw(3, 11) == fuzz.draw(3, 11)
    assert fuzz.draw(3, 11) != fuzz.draw(4, 11)
    one, other = (fuzz.inputs_of(3, fuzz.draw(3, 11)) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(one, other, strict=True))


@pytest.mark.parametrize("fault", ["value", "input"])
def test_a_broken_operation_is_found(fault: str, capsys: pytest.CaptureFixture[str]) -> None:
    right = ops.local_filter

    def broken(scores: Tensor, weights: Tensor, *arguments: Any, **options: Any) -> Tensor:
        result = right(scores, weights, *arguments, **options)
        if fault == "value":
            return result * 1.1
        scores.detach()[..., :1] += 1
        return result

    number = next(n for n in range(1000) if fuzz.draw(0, n).op.name == "local_filter" and fuzz.draw(0, n).shape[0] == 1)
    call = fuzz.draw(0, number)
    with mock.patch.object(fuzz, "draw", return_value=call._replace(op=_with(call.op, broken))):
        assert fuzz.run(0, range(number, number + 1)) == 1
    assert f"python -m tests.ops.fuzz --seed 0 --only {number}" in capsys.readouterr().out


def _with(op: Any, call: Any) -> Any:
    return type(op)(**{**vars(op), "call": call})
