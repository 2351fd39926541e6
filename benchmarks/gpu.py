"""Fill the table of a GPU's speeds within a few minutes: contract tests, then the rows, the most important first.

Results are written after every row, so that a run that is cut keeps what it has.

python -m benchmarks.gpu                        # ten minutes
python -m benchmarks.gpu --device cpu --quick   # tiny, to see that all works
"""

import argparse
import json
import math
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from rich.console import Console

from benchmarks import machine
from benchmarks.contenders import BOTH, FORWARD, Call
from benchmarks.floors import Rates, Work, measured_rates
from benchmarks.gate import CONTRACTS, red_operations
from benchmarks.gpu_rows import GpuRow, rows
from benchmarks.measure import Outcome, Timing, in_turns
from benchmarks.report import RED, ReportTable, number
from benchmarks.targets import milliseconds
from crispseg.writing import written_whole

_RESULTS = Path(__file__).parent / "results"
_TESTED = ("affinity_weights", "local_filter", "joint_upsample", "rebalance")
"""The operations of the rows, tested in this order."""
_SHORT = "(equals_its_definition or gradients or joint_upsample or without_gradient) and not any_size"
_SHARE = 0.3
"""The share of the time that the contract tests may take."""
_LATE = "not reached"

Gate = Callable[[str, float], str]
"""Tests an operation within some seconds, and returns the outcome in words."""


class TimeIsUpError(BaseException):
    """The time for the table is over; no `except Exception` on the way may stop it."""


@dataclass
class GpuResults:
    """The rows of the table so far."""

    machine: dict[str, str]
    minutes: float
    contracts: dict[str, str] = field(default_factory=dict)
    rates: Rates | None = None
    times: dict[tuple[str, str], Outcome] = field(default_factory=dict)
    """By row and contender."""
    work: dict[tuple[str, str], Work] = field(default_factory=dict)

    def floor(self, row: str, by: str) -> float:
        """Return the least time in milliseconds; NaN if it is not counted."""
        work = self.work.get((row, by))
        return math.nan if work is None or self.rates is None else work.milliseconds(self.rates)


def tested(operation: str, seconds: float) -> str:
    """Run a short selection of an operation's contract tests."""
    only = f"triton and {_SHORT}" if torch.cuda.is_available() else _SHORT
    try:
        return RED if red_operations([operation], CONTRACTS, only=only, seconds=seconds) else "contract green"
    except subprocess.TimeoutExpired:
        return f"contract not tested within {seconds:.0f} s"


def main(arguments: Sequence[str] | None = None, *, gate: Gate = tested) -> int:
    """Run the command line and return its exit code: 1 when an operation breaks its contract or time ran out."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"--device is {options.device}, but CUDA is not available; expected cpu, with --quick")
    console = Console(width=160)
    results = GpuResults(machine.description(options.device), options.minutes)
    folder = options.output or (None if options.quick else _RESULTS)
    start = time.monotonic()

    def left(share: float = 1.0) -> float:
        return float(60 * share * options.minutes) - (time.monotonic() - start)

    for index, operation in enumerate(_TESTED):
        seconds = left(_SHARE) / (len(_TESTED) - index)
        results.contracts[operation] = gate(operation, seconds) if seconds > 0 else "contract not tested: no time left"
        console.print(f"{operation}: {results.contracts[operation]}")
    for row in rows(options.device, quick=options.quick):
        _fill(results, row, left(), options)
        _print(results, row.name, console)
        if folder is not None:
            write(results, folder, f"{machine.slug(options.device)}-table")
    late = sorted({row for (row, _), outcome in results.times.items() if outcome == _LATE})
    if late:
        console.print(f"{len(late)} rows not reached in {options.minutes:g} minutes")
    return 1 if late or RED in results.contracts.values() else 0


def _fill(results: GpuResults, row: GpuRow, seconds: float, options: argparse.Namespace) -> None:
    """Measure one row, as far as time allows."""
    red = [operation for operation in row.operations if results.contracts.get(operation) == RED]
    if red or seconds <= 0:
        results.times[row.name, ""] = f"{RED}: {', '.join(red)}" if red else _LATE
        return
    try:
        with _alarm(seconds):
            if results.rates is None:
                results.rates = measured_rates(options.device, quick=options.quick)
            calls, work = row.make()
            for name, call in calls.items():
                results.times[row.name, name] = _LATE
                results.times[row.name, name] = _timed(call, options)
                results.work |= {(row.name, name): work[name] for name in {name} & work.keys()}
    except TimeIsUpError:
        if all(name != row.name for name, _ in results.times):
            results.times[row.name, ""] = _LATE
    if torch.device(options.device).type == "cuda":
        torch.cuda.empty_cache()


def _timed(call: Call | str, options: argparse.Namespace) -> Outcome:
    if isinstance(call, str):
        return call
    try:
        return in_turns({"": call}, options.device, quick=options.quick)[""]
    except Exception as error:
        said = str(error).strip().splitlines() or [""]
        return f"failed: {type(error).__name__}: {said[0][:120]}"


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise `TimeIsUpError` after some seconds, where the system can."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TimeIsUpError

    if not hasattr(signal, "setitimer"):
        yield
        return
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def table(results: GpuResults) -> ReportTable:
    """Return the table of all rows so far."""
    cells, last = [], ""
    for (row, by), outcome in results.times.items():
        took, floor = milliseconds(outcome), results.floor(row, by)
        first = next(milliseconds(results.times[key]) for key in results.times if key[0] == row)
        said = outcome if isinstance(outcome, str) else number(took)
        share = "–" if math.isnan(floor / took) else f"{100 * floor / took:.0f} %"
        cells.append(
            ("" if row == last else row, by, said, number(took / first), number(_backward(results, row, by)), share)
        )
        last = row
    columns = ("what", "by", "ms", "÷ first", "backward ÷ forward", "of the ceiling")
    return ReportTable("Times on this GPU", columns, cells, _CAPTION, words=2)


def _backward(results: GpuResults, row: str, by: str) -> float:
    """Return how long the backward takes beside the forward; NaN where they are not measured."""
    if by != BOTH:
        return math.nan
    return milliseconds(results.times[row, BOTH]) / milliseconds(results.times[row, FORWARD]) - 1


_CAPTION = """\
Milliseconds: medians, with the L2 cache cleared before each run. Scores come at 1/8 of the image. Of the ceiling: the
least time for the arithmetic and the bytes of the operation at the rates measured in this run, over the time measured;
a ladder's weights of all levels count once, its passes as multiply-adds. Attention takes the same windows, passes and
channels, with dot products in place of L1 distances."""


def write(results: GpuResults, folder: Path, name: str) -> None:
    """Write `name`.json and `name`.md, each completely or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = [f"- {key}: {value}" for key, value in (*results.machine.items(), *results.contracts.items())]
    if results.rates:
        rates = results.rates
        facts.append(f"- rates: {rates.multiply_adds:.3g} multiply-adds and {rates.bandwidth:.3g} bytes a second")
    texts = {
        ".json": json.dumps(_plain(results), indent=1, ensure_ascii=False),
        ".md": f"# crispseg on {results.machine['device']}\n\n" + "\n".join(facts) + "\n\n" + table(results).markdown(),
    }
    for suffix, text in texts.items():
        with written_whole(folder / f"{name}{suffix}") as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")


def _plain(results: GpuResults) -> dict[str, Any]:
    return {
        "machine": results.machine,
        "minutes": results.minutes,
        "contracts": results.contracts,
        "rates": results.rates and asdict(results.rates),
        "rows": [
            {
                "row": row,
                "by": by,
                **({"no_time": outcome} if isinstance(outcome, str) else {"milliseconds": asdict(outcome)}),
                **({"floor": results.floor(row, by)} if (row, by) in results.work else {}),
            }
            for (row, by), outcome in results.times.items()
        ],
    }


def _print(results: GpuResults, row: str, console: Console) -> None:
    console.print(row)
    for (name, by), outcome in results.times.items():
        if name == row:
            said = f"{number(outcome.median)} ms" if isinstance(outcome, Timing) else outcome
            console.print(f"  {by}: {said}" if by else f"  {said}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", help="(default: %(default)s)")
    parser.add_argument("--minutes", type=float, default=10, help="how long it may take (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes and single runs, to check that all works")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="(default: benchmarks/results, or nowhere with --quick)"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
