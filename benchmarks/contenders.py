"""The rows of the benchmark: each is an operation, and the ways to compute it."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

import torch
from torch import Tensor

from benchmarks.inputs import BenchmarkInputs, Problem

FORWARD, BOTH = "forward", "forward and backward"
OURS = "crispseg"

Call = Callable[[], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Contender:
    """One way to compute a row."""

    name: str
    inputs: tuple[str, ...]
    function: Callable[..., Tensor | tuple[Tensor, ...]]
    """Maps the inputs and the window to the output."""
    copies: tuple[int, int] = (0, 0)
    """Copies of all neighbours of its first input in memory at once, forward and with backward; rough upper bounds."""
    learns: bool = True
    """Whether it has a backward pass to compare; otherwise its forward is compared with both of ours."""
    ours: bool = False
    """Whether it is crispseg too, in another way or on other inputs; then it is no measure of the machine."""
    same: bool = True
    """Whether it computes what the row's first contender computes."""
    packages: tuple[str, ...] = ()
    """Optional packages that it needs."""
    on_gpu: bool = True
    """Whether it runs on a GPU."""
    slow_to_make: bool = False
    """Whether its first call takes so long that a quick run leaves it out."""

    @property
    def is_ours(self) -> bool:
        """Whether it is crispseg."""
        return self.ours or self.name == OURS

    def missing(self, problem: Problem) -> str:
        """Return what it lacks to run here; empty if it can."""
        if not self.on_gpu and torch.device(problem.device).type != "cpu":
            return "runs on processors only"
        packages = [package for package in self.packages if find_spec(package) is None]
        return f"not installed: {', '.join(packages)}" if packages else ""

    def bytes_needed(self, problem: Problem, direction: str) -> int:
        """Return a rough number of bytes needed, by which contenders that cannot fit are left out."""
        copies = self.copies[direction == BOTH]
        return copies * problem.window.count * problem.nbytes(self.inputs[0]) if copies else 0


@dataclass(frozen=True)
class BenchmarkRow:
    """An operation, or several in sequence, with all its contenders."""

    name: str
    operations: tuple[str, ...]
    output: str
    """Name of an input with the shape of the output; empty if the output is not a map."""
    contenders: tuple[Contender, ...]
    directions: tuple[str, ...] = (FORWARD, BOTH)

    def contender(self, name: str) -> Contender:
        """Return the contender with this name."""
        return next(contender for contender in self.contenders if contender.name == name)


def prepared(row: BenchmarkRow, contender: Contender, direction: str, inputs: BenchmarkInputs) -> Call:
    """Return a call without arguments that returns the output and, with backward, the gradients."""
    window = inputs.problem.window
    tensors = [inputs[name] for name in contender.inputs]
    if direction == FORWARD or not contender.learns:

        def forward() -> tuple[Tensor, ...]:
            with torch.no_grad():
                return _tuple(contender.function(*tensors, window))

        return forward

    arguments = [tensor.detach().requires_grad_(tensor.is_floating_point()) for tensor in tensors]
    leaves = [tensor for tensor in arguments if tensor.requires_grad]
    upstream = inputs[_laid_for(contender, row.output)] if row.output else None

    def forward_and_backward() -> tuple[Tensor, ...]:
        outputs = _tuple(contender.function(*arguments, window))
        return *outputs, *torch.autograd.grad(outputs, leaves, upstream)

    return forward_and_backward


def _laid_for(contender: Contender, name: str) -> str:
    """Return the name of an input in the layout that suits a contender."""
    return "weights, NCHW" if name == "weights" and contender.name != OURS else name


def _tuple(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)
