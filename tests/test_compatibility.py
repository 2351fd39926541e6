"""Parts of PyTorch that it does not promise to keep may go: crispseg says so then, or finds out in another way."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crispseg.compatibility import is_mapped, is_transformed, private

POINT = torch.ones(2)


def in_nothing(function: Callable[[Tensor], Tensor]) -> None:
    function(POINT)


def in_inference(function: Callable[[Tensor], Tensor]) -> None:
    with torch.inference_mode():
        function(POINT)


def in_vmap(function: Callable[[Tensor], Tensor]) -> None:
    torch.vmap(function)(POINT)


def in_grad(function: Callable[[Tensor], Tensor]) -> None:
    torch.func.grad(lambda point: function(point).sum())(POINT)


def in_grad_in_vmap(function: Callable[[Tensor], Tensor]) -> None:
    torch.vmap(torch.func.grad(function))(POINT)


@pytest.mark.parametrize("gone", [(), ("transforms",), ("stack",), ("transforms", "stack")], ids=" and ".join)
@pytest.mark.parametrize(
    ("run", "transformed", "mapped"),
    [
        (in_nothing, False, False),
        (in_inference, False, False),
        (in_vmap, True, True),
        (in_grad, True, False),
        (in_grad_in_vmap, True, True),
    ],
)
def test_transforms_are_seen_in_any_pytorch(
    run: Callable[[Callable[[Tensor], Tensor]], None],
    transformed: bool,
    mapped: bool,
    gone: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if "transforms" in gone:
        monkeypatch.delattr(torch._C, "_are_functorch_transforms_active")
    if "stack" in gone:
        monkeypatch.delattr(torch._C._functorch, "get_interpreter_stack")
    seen = []

    def look(point: Tensor) -> Tensor:
        seen.append((is_transformed(), is_mapped()))
        return point

    run(look)
    assert seen == [(transformed, transformed if "stack" in gone else mapped)]


def test_a_pytorch_without_what_gradients_need_is_named() -> None:
    for path in ("torch._C:_no_such_thing", "torch._no_such_module:thing"):
        with pytest.raises(ImportError, match=rf"PyTorch {torch.__version__[:3]}.* has no {path.replace(':', '.')}, "):
            private(path)
