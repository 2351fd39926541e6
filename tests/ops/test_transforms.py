"""Every operation under the transforms of `torch.func`, and in forward mode."""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from crispseg.window import Window
from tests.marks import not_traced
from tests.ops.contract import OPERATIONS, Inputs, Operation
from tests.ops.served import SERVERS, Server, served_by

pytestmark = [
    not_traced,
    # As for any operator without a rule of its own: it is called once for each of the batch.
    pytest.mark.filterwarnings("ignore:There is a performance drop"),
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),  # PyTorch's own use of it
]

WINDOW = Window(3)
NATIVE = {"affinity"}
"""Plain PyTorch, which has every derivative."""


def differentiable() -> Iterator[tuple[Operation, int]]:
    for operation in OPERATIONS:
        for index, value in enumerate(operation.draw(torch.Generator(), (1, 2, 4, 5), WINDOW)):
            if value.is_floating_point():
                yield operation, index


@pytest.fixture(params=differentiable(), ids=lambda found: f"{found[0]}-{found[1]}")
def operator(request: pytest.FixtureRequest) -> tuple[Operation, int]:
    found: tuple[Operation, int] = request.param
    return found


@pytest.fixture(params=[server for server in SERVERS if not server.interpreted], ids=str)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with served_by(request.param):
        yield request.param


def scalar(
    operation: Operation, index: int, device: str, rng: torch.Generator
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """A smooth function of one of the inputs, and that input."""
    inputs: Inputs = tuple(x.to(device) for x in operation.draw(rng, (1, 2, 4, 5), WINDOW))
    options = operation.options[-1]
    count = operation.call(*inputs, window=WINDOW, **options)
    mix = torch.rand(count.shape, generator=rng, dtype=torch.float64).to(device)

    def function(value: Tensor) -> Tensor:
        return (operation.call(*inputs[:index], value, *inputs[index + 1 :], window=WINDOW, **options) * mix).sum()

    return function, inputs[index]


def slope(function: Callable[[Tensor], Tensor], value: Tensor, direction: Tensor) -> Tensor:
    """The derivative along a direction, by finite differences."""
    step = 1e-6
    return (function(value + step * direction) - function(value - step * direction)) / (2 * step)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def direction_of(rng: torch.Generator) -> Callable[[Tensor], Tensor]:
    def draw(value: Tensor) -> Tensor:
        direction = torch.rand(value.shape, generator=rng, dtype=torch.float64).to(value.device)
        return direction.masked_fill(value.isinf(), 0)

    return draw


def test_reverse_mode_is_the_derivative(
    operator: tuple[Operation, int],
    server: Server,
    rng: torch.Generator,
    direction_of: Callable[[Tensor], Tensor],
) -> None:
    function, value = scalar(*operator, server.device, rng)
    direction = direction_of(value)
    expected = slope(function, value, direction)
    assert expected.abs() > 1e-4
    gradient = torch.func.grad(function)(value)
    back = torch.func.vjp(function, value)[1]
    batch = torch.vmap(torch.func.grad(function))(torch.stack([value, value]))
    around = torch.func.grad(lambda x: torch.vmap(function)(torch.stack([x, x])).sum() / 2)(value)
    for found in (gradient, *back(torch.ones_like(expected)), *batch, torch.func.jacrev(function)(value), around):
        torch.testing.assert_close((found * direction).sum(), expected, rtol=1e-4, atol=1e-7)
    leaf = value.clone().requires_grad_()
    (found,) = torch.autograd.grad(function(leaf), leaf)
    torch.testing.assert_close(gradient, found)


def test_what_is_outside_of_a_transform_gets_its_gradient(
    operator: tuple[Operation, int], rng: torch.Generator
) -> None:
    """A gradient by the outer of two transforms, of which the inner one is by something else."""
    function, value = scalar(*operator, "cpu", rng)
    (expected,) = torch.autograd.grad(function(leaf := value.clone().requires_grad_()), leaf)

    def inner(x: Tensor) -> Tensor:
        found: Tensor = torch.func.grad(lambda factor: factor * function(x))(torch.ones((), dtype=torch.float64))
        return found

    torch.testing.assert_close(torch.func.grad(inner)(value), expected)


def test_forward_mode_is_refused_and_never_zero(
    operator: tuple[Operation, int], rng: torch.Generator, direction_of: Callable[[Tensor], Tensor]
) -> None:
    operation, _ = operator
    function, value = scalar(*operator, "cpu", rng)
    direction = direction_of(value)

    def dual(*, learns: bool) -> Tensor | None:
        with forward_ad.dual_level():
            given = forward_ad.make_dual(value.clone().requires_grad_(learns), direction)
            tangent: Tensor | None = forward_ad.unpack_dual(function(given)).tangent
            return tangent

    modes: list[Callable[[], object]] = [
        lambda: torch.func.jvp(function, (value,), (direction,))[1],
        lambda: dual(learns=False),
        lambda: dual(learns=True),
        lambda: torch.func.jacfwd(function)(value),
        lambda: torch.func.jvp(torch.func.grad(function), (value,), (direction,))[1],
    ]
    if operation.name in NATIVE:
        found = modes[0]()
        assert isinstance(found, Tensor)
        torch.testing.assert_close(found, slope(function, value, direction), rtol=1e-5, atol=1e-7)
        return
    for mode in modes:
        with pytest.raises(NotImplementedError) as caught:
            mode()
        for fact in (f"crispseg.ops.{operation.name} ", "forward-mode", "torch.autograd.grad", "loss.backward()"):
            assert fact in str(caught.value)


def test_a_tangent_of_something_else_is_no_matter(rng: torch.Generator) -> None:
    for operation, index in differentiable():
        function, value = scalar(operation, index, "cpu", rng)
        one = torch.ones((), dtype=torch.float64)
        found = torch.func.jvp(lambda x: x * function(value), (one,), (one,))[1]  # noqa: B023 - called at once
        torch.testing.assert_close(found, function(value))


def test_a_second_derivative_is_refused_and_never_zero(operator: tuple[Operation, int], rng: torch.Generator) -> None:
    operation, _ = operator
    if operation.name in NATIVE:
        return
    function, value = scalar(*operator, "cpu", rng)
    first = torch.func.grad(lambda x: function(x).square())
    with pytest.raises(RuntimeError, match=f"crispseg.ops.{operation.name} can be differentiated once"):
        torch.func.grad(lambda x: first(x).square().sum())(value)
