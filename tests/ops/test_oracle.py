"""The oracle for large sizes equals the loops over pixels at small ones, and its gradients are those of differences."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from crispseg.window import Window
from tests.ops.contract import OPERATIONS, Operation

CASES = [(op, options) for op in OPERATIONS for options in op.options]


@settings(max_examples=100, deadline=None)
@given(
    case=st.sampled_from(CASES),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 7), st.integers(1, 7)),
    window=st.builds(Window, st.sampled_from([1, 3, 5, 7]), st.integers(1, 4)),
    seed=st.integers(0, 2**16),
)
def test_it_equals_the_loops(
    case: tuple[Operation, dict[str, Any]], shape: tuple[int, int, int, int], window: Window, seed: int
) -> None:
    op, options = case
    inputs = op.draw(torch.Generator().manual_seed(seed), shape, window)
    expected = torch.as_tensor(op.oracle(*inputs, window, **options), dtype=torch.float64)
    # Where a coarse pixel falls is rounded to float32 in joint upsampling.
    tolerance = 1e-6 if op.name == "joint_upsample" else 1e-12
    torch.testing.assert_close(op.vectorised(*inputs, window, **options), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("window", [Window(3), Window(3, dilation=2)], ids=str)
@pytest.mark.parametrize(("op", "options"), [pytest.param(*case, id=f"{case[0]}-{case[1]}") for case in CASES])
def test_its_gradients_are_those_of_finite_differences(op: Operation, options: dict[str, Any], window: Window) -> None:
    inputs = op.draw(torch.Generator().manual_seed(0), (1, 2, 3, 4), window)
    leaves = tuple(x.requires_grad_(x.is_floating_point()) for x in inputs)
    if any(x.requires_grad for x in leaves):
        assert torch.autograd.gradcheck(lambda *x: op.vectorised(*x, window, **options), leaves, fast_mode=True)
