"""Random calls of the operations, each held against an oracle: `make fuzz`, or `python -m tests.ops.fuzz --seed 1`.

A call is drawn from the seed and its number alone: operation, sizes (past a band too), dtype, layout, window, options,
threads, with or without gradients, and one of the implementations that run on this processor. Small ones are held
against the loops over pixels of `brute_force.py`, all of them against the vectorised float64 of `oracle.py`, which
`test_oracle.py` holds against these loops; gradients against autograd through it. All inputs are compared bit for bit
before and after.
"""

import argparse
import random
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor

from crispseg.window import Window
from tests.ops.contract import OPERATIONS, Inputs, Operation, cast, on_a_grid
from tests.ops.served import SERVERS, Server, served_by
from tests.ops.test_inputs import LAYOUTS, WHOLE, bits
from tests.ops.threads import with_threads

TOLERANCE = {torch.float64: 1e-6, torch.float32: 2e-5, torch.bfloat16: 2e-2, torch.float16: 3e-3}
"""Of the largest value. Half precisions round once; of float64, joint upsampling rounds positions to float32."""

_NUMBERS = 100_000
"""That the oracle gathers at most: neighbours times channels times pixels."""


class Call(NamedTuple):
    """One call, and all that is random of it."""

    number: int
    op: Operation
    server: Server
    shape: tuple[int, int, int, int]
    window: Window
    dtype: torch.dtype
    labels: torch.dtype
    layout: int
    threads: int
    learns: bool
    options: dict[str, Any]


def draw(seed: int, number: int) -> Call:
    """The call of a number."""
    rng = random.Random(f"{seed}/{number}")
    op = rng.choice(OPERATIONS)
    window = Window(rng.choice((1, 3, 3, 5, 5, 7, 9, 11)), rng.choice((1, 1, 1, 2, 3)))
    batch, channels = rng.choice((0, 1, 1, 1, 2)), rng.choice((1, 2, 3, 4, 9, 17, 27))
    short = rng.randint(1, 12)
    room = max(1, _NUMBERS // (window.count * channels * short * max(batch, 1)))
    # A third is tall or wide: bands of 64 rows for each of `dilation` classes, strips of 64 columns.
    long = min(room, rng.choice((rng.randint(1, 12), rng.randint(1, 40), rng.randint(60, 340))))
    height, width = rng.sample((short, long), 2)
    options: dict[str, Any] = dict(rng.choice(op.options))
    if op.name == "local_filter":
        normalize = rng.random() < 0.7  # sums that are not divided leave the range of float16 after few passes
        options = {"passes": rng.choice((1, 2, 3, 9, 12) if normalize else (1, 2)), "normalize": normalize}
    if op.name in ("local_distance", "affinity_weights", "joint_upsample", "embedding_loss"):
        options["norm"] = rng.choice((1, 2))
    if op.name == "affinity_weights":
        options["normalize"] = rng.random() < 0.5
    if op.name in ("local_distance", "local_parity", "embedding_loss"):
        options["stride"] = rng.choice((1, 1, 2, 3, 4))
    if op.name in ("local_parity", "embedding_loss"):
        options["ignore_index"] = rng.choice((255, 0, 1, 2, 3, -1, -100, 668, -(2**31), 2**40))
    if op.name == "embedding_loss":
        options |= {"balance": rng.choice(("none", "parity")), "reduction": rng.choice(("mean", "sum"))}
    servers = [server for server in SERVERS if server.module != "triton"]
    return Call(
        number,
        op,
        rng.choice(servers),
        (batch, channels, height, width),
        window,
        rng.choice((torch.float32, torch.float32, *TOLERANCE)),
        rng.choice(WHOLE),
        rng.randrange(len(LAYOUTS)),
        rng.randint(1, 4),
        rng.random() < 0.6,
        options,
    )


def inputs_of(seed: int, call: Call) -> Inputs:
    """Its inputs, in their dtypes and layout."""
    drawn = list(call.op.draw(torch.Generator().manual_seed(seed * 1_000_003 + call.number), call.shape, call.window))
    if call.op.name in ("local_distance", "affinity_weights", "embedding_loss"):
        drawn[0] = on_a_grid(drawn[0])
    if call.op.name == "local_filter":
        drawn[1] = drawn[1] + 0.1  # the gradient of a mean to its weights grows without bound where their sum is near 0
    if call.op.name == "joint_upsample":
        drawn[1] = drawn[1] / call.shape[1]
    whole = [x if x.is_floating_point() else x.clamp(max=torch.iinfo(call.labels).max).to(call.labels) for x in drawn]
    layout = LAYOUTS[call.layout] if call.shape[0] else LAYOUTS[0]
    return tuple(layout(x) if x.ndim else x for x in cast(tuple(whole), call.dtype))


def differentiates(call: Call) -> bool:
    """Whether it has gradients, and such that rounding decides on none of them.

    In L1 joint upsampling the sign of a difference to an interpolated feature is one that rounding decides on.
    """
    if not call.learns or call.op.name == "local_parity" or not call.shape[0]:
        return False
    return call.op.name != "joint_upsample" or (
        call.options["norm"] == 2 and call.dtype in (torch.float32, torch.float64)
    )


def faults(seed: int, call: Call) -> tuple[list[str], float]:
    """Return the fault of a call, if any, and its largest deviation in tolerances."""
    given = inputs_of(seed, call)
    before = [bits(x) for x in given]
    exact = tuple(x.detach().double().requires_grad_() if x.is_floating_point() else x for x in given)
    with served_by(call.server), with_threads(call.threads):
        result = call.op.call(*given, call.window, **call.options)
        found = [result]
        if differentiates(call):
            leaves = tuple(x.detach().requires_grad_(x.is_floating_point()) for x in given)
            learning = call.op.call(*leaves, call.window, **call.options)
            upstream = torch.rand(learning.shape, dtype=torch.float64).to(learning.dtype)
            wanted = [x for x in leaves if x.requires_grad]
            found += [learning.detach(), *torch.autograd.grad(learning, wanted, upstream)]
    expected = call.op.vectorised(*exact, call.window, **call.options)
    right: list[Tensor | None] = [expected.detach()]
    if len(found) > 1:
        roots = [x for x in exact if x.requires_grad]
        right += [expected.detach(), *torch.autograd.grad(expected, roots, upstream.double(), allow_unused=True)]
    problems = [] if [bits(x) for x in given] == before else ["an input was written to"]
    names = ["value", "value with a gradient", *(f"gradient {i}" for i in range(len(found)))]
    tolerance = TOLERANCE[call.dtype] * (
        100 if call.op.name == "joint_upsample" and call.dtype in (torch.float32, torch.float64) else 1
    )
    # The gradient to the weights of a constant is 0 by cancellation: it is measured by what cancels.
    least = 1.0 if call.op.name == "local_filter" else 1e-3
    worst = 0.0
    for name, one, other in zip(names, found, right, strict=False):
        # A single number gets a sum over all pairs, which cancel: it is measured by how many they are.
        floor = least if one.ndim or name.startswith("value") else max(least, 1e-2 * result.numel())
        deviation = _deviation(one, torch.zeros_like(one).double() if other is None else other, floor) / tolerance
        deviation /= 2 if name.startswith("gradient") else 1  # they round twice
        worst = max(worst, deviation)
        if not deviation <= 1:
            problems.append(f"{name} is off by {deviation:.3g} tolerances")
    if call.window.count * call.shape[0] * call.shape[1] * call.shape[2] * call.shape[3] < 600:
        loops = torch.as_tensor(call.op.oracle(*(x.detach() for x in exact), call.window, **call.options)).double()
        if not _deviation(result, loops, least) <= tolerance:
            problems.append("the loops over pixels say otherwise")
    return problems, worst


def _deviation(found: Tensor, expected: Tensor, least: float) -> float:
    """Largest difference by the largest value, or by `least` where all are smaller."""
    if found.shape != expected.shape:
        return float("inf")
    if not found.numel():
        return 0.0
    wide, scale = found.double(), max(float(expected.abs().max()), least)
    return float((wide - expected).abs().max()) / scale


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(seed: int, numbers: Iterator[int] | range) -> int:
    """Make the calls, print a summary, return how many failed."""
    operations: Counter[str] = Counter()
    dtypes: Counter[str] = Counter()
    worst: dict[str, tuple[float, int]] = {}
    learning = failed = 0
    for number in numbers:
        call = draw(seed, number)
        torch.manual_seed(seed * 1_000_003 + number)
        try:
            problems, deviation = faults(seed, call)
        except Exception as error:  # whatever it is, it is a finding
            problems, deviation = [f"{type(error).__name__}: {error}"], 0.0
        operations[call.op.name] += 1
        dtypes[str(call.dtype).removeprefix("torch.")] += 1
        learning += differentiates(call)
        worst[str(call.dtype)] = max(worst.get(str(call.dtype), (0.0, 0)), (deviation, number))
        for problem in problems:
            _say(f"{call}\n  {problem}\n  python -m tests.ops.fuzz --seed {seed} --only {number}")
        failed += bool(problems)
    _say(
        f"fuzz, seed {seed}: {operations.total()} calls ("
        + ", ".join(f"{name} {count}" for name, count in sorted(operations.items()))
        + f"), {learning} with gradients; "
        + ", ".join(f"{name} {count}" for name, count in sorted(dtypes.items()))
        + ". Largest deviation by the tolerance of the dtype: "
        + ", ".join(f"{name.removeprefix('torch.')} {x:.2f} (call {n})" for name, (x, n) in sorted(worst.items()))
        + f". Inputs compared bit for bit in every call. Failures: {failed}."
    )
    return failed


def main() -> None:
    """Read the arguments; the exit code says whether a call failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=20_000, help="how many")
    parser.add_argument("--seed", type=int, default=0, help="what is drawn")
    parser.add_argument("--only", type=int, help="the number of one call, to repeat it")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
    numbers = range(arguments.calls) if arguments.only is None else range(arguments.only, arguments.only + 1)
    sys.exit(bool(run(arguments.seed, numbers)))


if __name__ == "__main__":
    main()
