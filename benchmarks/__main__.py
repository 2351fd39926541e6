"""Measure time, memory and scaling of every operation, then print the tables and write them to files.

python -m benchmarks                # everything, on the processor
python -m benchmarks --only loss    # a few rows
python -m benchmarks --device cuda
python -m benchmarks --only loss --against HEAD~3    # what became slower since
python -m benchmarks --stored --against 7859253      # the same for what was measured last
"""

import argparse
import sys
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

from benchmarks import history, machine, report
from benchmarks.cases import rows
from benchmarks.comparison import compare, compare_stored, last_before
from benchmarks.contenders import OURS, BenchmarkRow
from benchmarks.floors import measured_rates
from benchmarks.gate import red_operations
from benchmarks.inputs import BenchmarkInputs, Problem
from benchmarks.measure import Timing, times_of
from benchmarks.memory import peak_above
from benchmarks.scaling import scalings
from benchmarks.targets import Measured
from crispseg.errors import InputError

_RESULTS = Path(__file__).parent / "results"
_QUICK = Problem(size=24, window_size=3, channels=4, num_classes=2, image_size=(16, 24))

Say = Callable[[str], None]


def main(
    arguments: Sequence[str] | None = None, *, gate: Callable[[Collection[str]], set[str]] = red_operations
) -> int:
    """Run the command line and return its exit code: 1 when an operation breaks its contract, 3 when one is slower."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"--device is {options.device}, but CUDA is not available; expected cpu")
    console = Console()
    chosen = rows(options.only)
    if not chosen:
        names = ", ".join(row.name for row in rows())
        console.print(f"no row has {options.only!r} in its name; expected --only with a part of: {names}")
        return 2
    past = history.history_of(options.output or _RESULTS, machine.slug(options.device))
    wide = console if console.is_terminal else Console(width=160)
    try:
        before = history.run_named(options.against, past) if options.against else None
        if options.stored:
            return compare_stored(past, before, options.threshold, wide)
        results = _measure(chosen, options, gate, console)
        return _report(results, options, past, before, wide)
    except InputError as error:
        console.print(str(error), soft_wrap=True)
        return 2
    except KeyboardInterrupt:
        console.print("interrupted: nothing was written")
        return 130


def _report(
    results: report.BenchmarkResults,
    options: argparse.Namespace,
    past: Path,
    before: history.StoredRun | None,
    console: Console,
) -> int:
    """Print the results, write them and add them to the history, and say what became slower."""
    for table in report.tables(results):
        console.print(table.rich(), "")
    now = report.stored(results)
    if options.output or not (options.quick or options.only):
        before = before or last_before(now, past)
        past.parent.mkdir(parents=True, exist_ok=True)
        history.remember(past, now)
        paths = report.write(results, past.parent, machine.slug(options.device))
        console.print("written:", ", ".join(path.name for path in (*paths, past)))
    if results.red:
        console.print(f"{report.RED}, not timed: {', '.join(sorted(results.red))}")
    slower = compare(now, before, options.threshold, console) if before else 0
    return 1 if results.red else slower


def _measure(
    chosen: list[BenchmarkRow],
    options: argparse.Namespace,
    gate: Callable[[Collection[str]], set[str]],
    console: Console,
) -> report.BenchmarkResults:
    # Refreshed by hand: a thread that redraws ten times a second would disturb the timings.
    progress = Progress(
        TimeElapsedColumn(), TextColumn("{task.description}"), console=console, auto_refresh=False, transient=True
    )
    with progress:
        task = progress.add_task("")

        def say(what: str) -> None:
            progress.update(task, description=what, refresh=True)

        say("contract tests of the operations")
        red = gate({operation for row in chosen for operation in row.operations})
        results = report.BenchmarkResults(machine.description(options.device), machine.served_by(options.device), red)
        say("peak rates of the processor")
        results.rates = measured_rates(options.device, quick=options.quick)
        for problem in _problems(options):
            results.measured.append(_on(problem, chosen, red, quick=options.quick, say=say))
        green = {row.name for row in chosen if not red.intersection(row.operations)}
        first = results.measured[0].problem
        results.scalings = list(scalings(first, green, quick=options.quick, progress=say))
    return results


def _on(problem: Problem, chosen: list[BenchmarkRow], red: set[str], *, quick: bool, say: Say) -> Measured:
    """Measure times and peaks of all rows on one problem."""
    measured, inputs = Measured(problem), BenchmarkInputs(problem)
    for row in chosen:
        for direction in row.directions:
            if red.intersection(row.operations):
                measured.times[row.name, direction, OURS] = report.RED
                continue
            say(f"time of {row.name}, {direction}")
            for name, outcome in times_of(row, direction, inputs, quick=quick).items():
                measured.times[row.name, direction, name] = outcome
    del inputs  # the processes that measure memory need the space
    for (row_name, direction, name), outcome in measured.times.items():
        if isinstance(outcome, Timing) and (name == OURS or not quick):
            say(f"memory of {row_name}, {direction}, {name}")
            measured.peaks[row_name, direction, name] = peak_above(row_name, name, direction, problem)
    return measured


def _problems(options: argparse.Namespace) -> list[Problem]:
    if options.quick:
        return [replace(_QUICK, device=options.device)]
    if options.device == "cpu":
        return [Problem()]
    return [Problem(size=size, batch=batch, device=options.device) for size in (513, 2049) for batch in (1, 8)]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes and single runs, to check that all works")
    parser.add_argument("--device", default="cpu", help="cpu (default), cuda, cuda:1, ...")
    parser.add_argument("--only", default="", metavar="NAME", help="only rows with NAME in a row's or operation's name")
    parser.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="where to write; by default, benchmarks/results, or nowhere with --quick or --only",
    )
    parser.add_argument(
        "--against",
        metavar="COMMIT or FILE",
        help="name what became slower than in this commit's run, or than in a .json or .jsonl file, and exit with 3; "
        "by default, where results are written, than in the last run of another commit",
    )
    parser.add_argument("--stored", action="store_true", help="compare the newest stored run instead of measuring")
    parser.add_argument(
        "--threshold",
        type=float,
        default=history.THRESHOLD,
        metavar="PERCENT",
        help="by how much a row may become slower (default: %(default)g)",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
