"""Say which rows became slower between two runs of the benchmark."""

from pathlib import Path

from rich.console import Console

from benchmarks.history import StoredRun, recalled, slowdowns
from benchmarks.report import slower as slower_table
from crispseg.errors import InputError

_SLOWER = 3
"""The exit code when a row became slower."""


def compare_stored(past: Path, before: StoredRun | None, threshold: float, console: Console) -> int:
    """Compare the newest run of a history, by default with the run of another commit before it.

    Raises:
        InputError: If there is nothing to compare.
    """
    runs = recalled(past)
    if not runs:
        raise InputError(f"--stored: {past} holds no run; expected one, so measure first: python -m benchmarks")
    before = before or last_before(runs[-1], past)
    if before is None:
        raise InputError(f"--stored: {past} holds a single run; expected another: say --against FILE")
    return compare(runs[-1], before, threshold, console)


def last_before(now: StoredRun, past: Path) -> StoredRun | None:
    """Return the newest run of another commit with rows of this one."""
    others = [run for run in recalled(past) if run.commit != now.commit and run.rows.keys() & now.rows.keys()]
    return others[-1] if others else None


def compare(now: StoredRun, before: StoredRun, threshold: float, console: Console) -> int:
    """Print what became slower; return the exit code, 0 or 3.

    Raises:
        InputError: If the runs have no time in common.
    """
    compared = list(slowdowns(now, before))
    slower = [each for each in compared if each.ratio > 1 + threshold / 100]
    if not compared:
        raise InputError(f"{now} and {before} have no time in common; expected runs with the same rows and sizes")
    if slower:
        console.print(slower_table(slower, now, before, threshold).rich())
    console.print(f"{len(slower)} of {len(compared)} times slower by more than {threshold:g} %: {now} than {before}")
    return _SLOWER if slower else 0
