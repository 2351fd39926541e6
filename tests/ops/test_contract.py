"""Every operation keeps every clause of this contract, on every implementation that can run here."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from crispseg.window import Window
from tests.marks import not_traced
from tests.ops.contract import OPERATIONS, Inputs, Operation, cast
from tests.ops.served import SERVERS, Server, served_by, server

pytestmark = not_traced

__all__ = ["server"]

DIFFERENTIABLE = [op for op in OPERATIONS if op.name != "local_parity"]

CASES = [pytest.param(op, options, id=f"{op}-{options}") for op in OPERATIONS for options in op.options]

SHAPES = [(2, 3, 5, 7), (1, 1, 1, 1), (1, 2, 1, 6), (1, 2, 3, 2), (0, 2, 4, 4)]

WINDOWS = [Window(1), Window(3), Window(5), Window(3, dilation=2), Window(9, dilation=3)]


def sizes_for(server: Server, turn: int) -> list[tuple[tuple[int, int, int, int], Window]]:
    """Return each shape once and each window once; another turn pairs them otherwise, and five turns make all pairs.

    The interpreter takes its time: it gets the few that are unlike each other, in all pairs.
    """
    if server.interpreted:
        return [(shape, window) for shape in SHAPES[::2] for window in WINDOWS[1::2]]
    return [(shape, WINDOWS[(place + turn) % len(WINDOWS)]) for place, shape in enumerate(SHAPES)]


# The turn changes from option to option and from one implementation to the next.
SIZES = [
    pytest.param(server, op, options, *size, id=f"{op}-{options}-{server}-{size[0]}-{size[1]}")
    for first, server in enumerate(SERVERS)
    for turn, (op, options) in enumerate(((op, options) for op in OPERATIONS for options in op.options), first)
    for size in sizes_for(server, turn)
]


def called_often(most: int) -> list[Any]:
    """Return each implementation with each operation and its options; for the interpreter the first and the last.

    Args:
        most: How many of an operation's options the interpreter gets.
    """
    return [
        pytest.param(server, op, options, id=f"{server}-{op}-{options}")
        for server in SERVERS
        for op in DIFFERENTIABLE
        for options in (op.options[:: max(1, len(op.options) - 1)][:most] if server.interpreted else op.options)
    ]


DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def options_for(server: Server, op: Operation, dtype: torch.dtype) -> list[dict[str, Any]]:
    """Return all options; for the interpreter each norm once, with other options beside it for another dtype."""
    if not server.interpreted:
        return list(op.options)
    norms: dict[int | None, list[dict[str, Any]]] = {}
    for options in op.options:
        norms.setdefault(options.get("norm"), []).append(options)
    return [alike[DTYPES.index(dtype) % len(alike)] for alike in norms.values()]


OF_EVERY_DTYPE = [
    pytest.param(server, op, options, dtype, id=f"{server}-{op}-{options}-{dtype}")
    for server in SERVERS
    for op in DIFFERENTIABLE
    for dtype in DTYPES
    for options in options_for(server, op, dtype)
]

SMALL, WIDE = (Window(3), Window(3, dilation=2)), Window(5)

# The interpreter gets both small windows for each operation; where there are several options, in turns.
DIFFERENTIATED = [
    pytest.param(server, op, options, window, id=f"{op}-{options}-{server}-{window}")
    for server in SERVERS
    for op in DIFFERENTIABLE
    for number, options in enumerate(op.options)
    for place, window in enumerate((*SMALL, WIDE))
    if not server.interpreted or (window != WIDE and (place == number % 2 or len(op.options) == 1))
]

TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2, torch.float16: 4e-3}


def inputs_of(op: Operation, server: Server, shape: tuple[int, int, int, int], window: Window, seed: int = 0) -> Inputs:
    return tuple(x.to(server.device) for x in op.draw(torch.Generator().manual_seed(seed), shape, window))


def expected_of(op: Operation, server: Server, inputs: Inputs, window: Window, options: dict[str, Any]) -> Tensor:
    """Return the expected result: loops over single pixels for the reference, the reference for everything else."""
    if server.module != "reference":
        with served_by(Server("reference")):
            return op.call(*inputs, window, **options)
    return torch.as_tensor(op.oracle(*inputs, window, **options), dtype=torch.float64)


def gradients(op: Operation, inputs: Inputs, window: Window, options: dict[str, Any]) -> tuple[Tensor, ...]:
    """Gradients of a nonlinear sum of the output with respect to every floating-point input."""
    leaves = tuple(x.clone().requires_grad_() if x.is_floating_point() else x for x in inputs)
    result = op.call(*leaves, window, **options).to(torch.promote_types(leaves[0].dtype, torch.float32))
    # Scaled so that gradients fit into float16.
    (result.square().sum() / (1 + result.detach().square().sum())).backward()
    return tuple(x.grad for x in leaves if x.grad is not None)


@pytest.mark.parametrize(("server", "op", "options", "shape", "window"), SIZES, indirect=["server"])
def test_equals_its_definition(
    server: Server, op: Operation, options: dict[str, Any], shape: tuple[int, int, int, int], window: Window
) -> None:
    inputs = inputs_of(op, server, shape, window)
    expected = expected_of(op, server, inputs, window, options)
    torch.testing.assert_close(op.call(*inputs, window, **options), expected, rtol=1e-6, atol=1e-6)


@settings(max_examples=25, deadline=None)
@given(
    case=st.sampled_from([(op, options) for op in OPERATIONS for options in op.options]),
    shape=st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)),
    window=st.builds(Window, st.sampled_from([1, 3, 5, 7]), st.integers(1, 4)),
    seed=st.integers(0, 2**16),
)
def test_equals_its_definition_at_any_size(
    server: Server, case: tuple[Operation, dict[str, Any]], shape: tuple[int, int, int, int], window: Window, seed: int
) -> None:
    if server.interpreted and seed % 4:
        return
    op, options = case
    inputs = inputs_of(op, server, shape, window, seed)
    expected = expected_of(op, server, inputs, window, options)
    torch.testing.assert_close(op.call(*inputs, window, **options), expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("server", "op", "options", "window"), DIFFERENTIATED, indirect=["server"])
def test_gradients_are_those_of_finite_differences(
    server: Server, op: Operation, options: dict[str, Any], window: Window
) -> None:
    inputs = tuple(x.requires_grad_(x.is_floating_point()) for x in inputs_of(op, server, (1, 2, 3, 4), window))
    # Fast: along random directions. The reference is checked element by element, in small windows.
    fast = server.module != "reference" or window == WIDE
    assert torch.autograd.gradcheck(lambda *x: op.call(*x, window, **options), inputs, fast_mode=fast)


@pytest.mark.parametrize(("server", "op", "options", "dtype"), OF_EVERY_DTYPE, indirect=["server"])
def test_every_dtype_forward_and_backward(
    server: Server, op: Operation, options: dict[str, Any], dtype: torch.dtype
) -> None:
    window = Window(3 if server.interpreted else 5)
    rounded = cast(inputs_of(op, server, (2, 8, 9, 7), window), dtype)
    result, found = op.call(*rounded, window, **options), gradients(op, rounded, window, options)
    assert result.dtype == (torch.float32 if op.name == "embedding_loss" else dtype)
    exact = cast(rounded, torch.float64)
    with served_by(Server("reference")):
        expected, expected_gradients = op.call(*exact, window, **options), gradients(op, exact, window, options)
    tolerance = TOLERANCE[dtype]
    torch.testing.assert_close(result.double(), expected, rtol=tolerance, atol=tolerance)
    for one, other in zip(found, expected_gradients, strict=True):
        assert one.dtype == dtype
        scale = float(other.abs().max())
        torch.testing.assert_close(one.double() / scale, other / scale, rtol=0, atol=2 * tolerance)


@pytest.mark.parametrize(("server", "op", "options"), called_often(2), indirect=["server"])
def test_memory_layout_changes_nothing(server: Server, op: Operation, options: dict[str, Any]) -> None:
    window = Window(3)
    inputs = inputs_of(op, server, (2, 3, 6, 5), window)
    expected = op.call(*inputs, window, **options)
    expected_gradients = gradients(op, inputs, window, options)
    for relaid in (_channels_last(inputs), _every_second_column(inputs), _transposed(inputs)):
        torch.testing.assert_close(op.call(*relaid, window, **options), expected)
        torch.testing.assert_close(gradients(op, relaid, window, options), expected_gradients)


@pytest.mark.parametrize(("op", "options"), CASES)
def test_an_expanded_batch_is_the_same_image_twice(server: Server, op: Operation, options: dict[str, Any]) -> None:
    window = Window(3)
    single = inputs_of(op, server, (1, 3, 6, 5), window)
    expanded = tuple(x.expand(2, *x.shape[1:]) if x.ndim else x for x in single)
    copied = tuple(x.contiguous() for x in expanded)
    torch.testing.assert_close(op.call(*expanded, window, **options), op.call(*copied, window, **options))


def _channels_last(inputs: Inputs) -> Inputs:
    return tuple(x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x for x in inputs)


def _every_second_column(inputs: Inputs) -> Inputs:
    return tuple(torch.stack((x, torch.zeros_like(x)), -1).flatten(-2)[..., ::2] if x.ndim else x for x in inputs)


def _transposed(inputs: Inputs) -> Inputs:
    """A transposed view of a transposed copy: same values, foreign strides."""
    return tuple(x.transpose(-1, -2).contiguous().transpose(-1, -2) if x.ndim else x for x in inputs)


@pytest.mark.parametrize(("server", "op", "options"), called_often(1), indirect=["server"])
def test_same_input_gives_the_same_bits(server: Server, op: Operation, options: dict[str, Any]) -> None:
    window = Window(3 if server.interpreted else 5)
    inputs = cast(inputs_of(op, server, (2, 4, 9, 11), window), torch.float32)
    assert torch.equal(op.call(*inputs, window, **options), op.call(*inputs, window, **options))
    for first, second in zip(
        gradients(op, inputs, window, options), gradients(op, inputs, window, options), strict=True
    ):
        assert torch.equal(first, second)


@pytest.mark.parametrize("poison", [torch.nan, torch.inf])
@pytest.mark.parametrize("op", [op for op in DIFFERENTIABLE if op.gathers], ids=str)
def test_nan_and_infinity_stay_within_the_window(server: Server, op: Operation, poison: float) -> None:
    window = Window(3)
    inputs = inputs_of(op, server, (1, 2, 9, 9), window)
    options = op.options[0]
    clean = op.call(*inputs, window, **options)
    inputs[0][0, 0, 4, 4] = poison
    poisoned = op.call(*inputs, window, **options)
    far = torch.ones(9, 9, dtype=torch.bool)
    far[3:6, 3:6] = False
    torch.testing.assert_close(poisoned[..., far], clean[..., far], rtol=0, atol=0)
    assert not torch.equal(poisoned[..., ~far].nan_to_num(-1, -1), clean[..., ~far])


@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.gathers], ids=str)
def test_shifting_the_image_shifts_the_result_away_from_the_border(server: Server, op: Operation) -> None:
    window = Window(3, dilation=2)
    inputs = inputs_of(op, server, (1, 2, 12, 12), window)
    options = op.options[0]
    rolled = tuple(torch.roll(x, (1, 2), dims=(-2, -1)) if x.ndim else x for x in inputs)
    result = torch.roll(op.call(*inputs, window, **options), (1, 2), dims=(-2, -1))
    inside = (..., slice(3, -2), slice(4, -2))
    torch.testing.assert_close(op.call(*rolled, window, **options)[inside], result[inside])


@pytest.mark.parametrize("op", [op for op in DIFFERENTIABLE if op.name != "affinity"], ids=str)
def test_a_second_derivative_is_refused_with_a_word(server: Server, op: Operation) -> None:
    inputs = inputs_of(op, server, (1, 2, 3, 3), Window(3))
    inputs[0].requires_grad_()
    result = op.call(*inputs, Window(3), **op.options[0]).square().sum()
    (first,) = torch.autograd.grad(result, inputs[0], create_graph=True)
    with pytest.raises(RuntimeError, match=f"{op.name} can be differentiated once; a second derivative"):
        first.sum().backward()


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")  # PyTorch's own check
@pytest.mark.parametrize("op", [op for op in OPERATIONS if op.name != "affinity"], ids=str)
def test_it_is_a_well_behaved_operator(server: Server, op: Operation) -> None:
    """Schema, gradient registration, shapes of the fake, and tracing with sizes that change.

    Registration and tracing are the same for every implementation and layout, so they are checked once.
    """
    checks: tuple[str, ...] = ("test_schema", "test_faketensor")
    if server.module == "reference":
        checks += ("test_autograd_registration", "test_aot_dispatch_dynamic")
    contiguous = inputs_of(op, server, (2, 3, 5, 4), Window(3))
    calls = [(*call, checks) for call in calls_of(op, contiguous, Window(3))]
    calls += [(*call, ("test_faketensor",)) for call in calls_of(op, _channels_last(contiguous), Window(3))]
    assert calls[0][0].startswith(f"crispseg::{op.name}")
    for name, arguments, checked in calls:
        forward = not name.endswith("_backward")  # a second derivative is refused, see above
        copies = tuple(_copy(x, forward) if isinstance(x, Tensor) else x for x in arguments)
        operator = getattr(torch.ops.crispseg, name.removeprefix("crispseg::")).default
        torch.library.opcheck(operator, copies, test_utils=checked)


def _copy(x: Tensor, differentiable: bool) -> Tensor:
    return x.detach().clone().requires_grad_(differentiable and x.is_floating_point())


def calls_of(op: Operation, inputs: Inputs, window: Window) -> list[tuple[str, tuple[Any, ...]]]:
    """The operators that an operation and its gradient call, with their arguments."""
    calls = []

    class Recorder(TorchDispatchMode):
        def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if function.namespace == "crispseg":
                calls.append((function.name(), args))
            return function(*args, **(kwargs or {}))

    leaves = tuple(x.detach().requires_grad_(x.is_floating_point()) for x in inputs)
    with Recorder():
        result = op.call(*leaves, window, **op.options[0])
        if result.requires_grad:
            result.sum().backward()
    return calls
