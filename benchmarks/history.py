"""The history of a machine, with one line of JSON for each commit, and the rows that became slower.

Machines are noisy and differ from hour to hour, so times of two runs are never compared as they are. Each is divided by
what the same run measured beside it: by every contender that is not crispseg, since all took turns, and by the floor,
or the peak rates where no floor is counted. The smallest change of these quotients counts: contenders vary more than
crispseg does, and any one of them alone would often name a row that did not change.
"""

import json
import math
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cases import rows
from benchmarks.contenders import OURS
from benchmarks.floors import Rates, work_of
from benchmarks.inputs import Problem
from crispseg.errors import InputError
from crispseg.writing import written_whole

THRESHOLD = 15.0
"""By how many percent a row may become slower, since times in turns still vary."""
FLOOR = "floor"
_OURS = {contender.name for row in rows() for contender in row.contenders if contender.is_ours}
_RATES = {"multiply_adds": "multiply-adds a second", "bandwidth": "bytes a second"}
_DIRTY = "-dirty"
_PACKAGES = ("python", "crispseg", "torch", "triton", "kornia")


class RowKey(NamedTuple):
    """A row on one problem, in one direction."""

    problem: str
    row: str
    direction: str


@dataclass
class RowTimes:
    """Medians of a row in milliseconds, by contender."""

    ours: dict[str, float] = field(default_factory=dict)
    beside: dict[str, float] = field(default_factory=dict)
    """Those of others, and the floor."""


@dataclass(frozen=True)
class StoredRun:
    """The measurements of a run, as the history keeps them."""

    commit: str
    dirty: bool
    """Whether files differed from the commit."""
    date: str
    versions: Mapping[str, str]
    rates: Rates | None
    rows: Mapping[RowKey, RowTimes]

    def __str__(self) -> str:
        return f"{self.commit}{_DIRTY * self.dirty} of {self.date}"

    def line(self) -> str:
        """Return the run as a line of JSON."""
        plain = {name: getattr(self, name) for name in ("commit", "dirty", "date", "versions")}
        plain["rates"] = self.rates and asdict(self.rates)
        plain["rows"] = [
            {"problem": key.problem, "row": key.row, "pass": key.direction, **asdict(times)}
            for key, times in self.rows.items()
        ]
        return json.dumps(plain, ensure_ascii=False) + "\n"

    @classmethod
    def of_line(cls, plain: Mapping[str, Any]) -> "StoredRun":
        """Return the run of a line, already parsed."""
        rates = plain["rates"] and Rates(**plain["rates"])
        times = {
            RowKey(row["problem"], row["row"], row["pass"]): RowTimes(row["ours"], row["beside"])
            for row in plain["rows"]
        }
        return cls(plain["commit"], plain["dirty"], plain["date"], plain["versions"], rates, times)

    @classmethod
    def of_report(cls, plain: Mapping[str, Any]) -> "StoredRun":
        """Return the run of a report in JSON, already parsed."""
        about = plain["machine"]
        rates = Rates(**plain["rates"]) if plain.get("rates") else None
        commit = about["commit"].removesuffix(_DIRTY)
        dirty = about["commit"] != commit or about.get("uncommitted changes") == "yes"
        versions = {name: about[name] for name in _PACKAGES if name in about}
        return cls(commit, dirty, about["date"], versions, rates, dict(_row_times(plain["problems"], rates)))


class Slowdown(NamedTuple):
    """How one of our times changed between two runs, relative to what both measured beside it."""

    key: RowKey
    by: str
    before: float
    """Milliseconds."""
    now: float
    """Milliseconds; NaN if there is no time any more."""
    beside: str
    """The name of the measurement that both times were divided by: the one that makes the least of the change."""
    ratio: float
    """The quotient now over the quotient before; infinity if there is no time any more."""


def slowdowns(now: StoredRun, before: StoredRun) -> Iterator[Slowdown]:
    """Yield how each time of ours that both runs can compare changed."""
    for key, times in now.rows.items():
        earlier = before.rows.get(key, RowTimes())
        for by, milliseconds in earlier.ours.items():
            if by in times.ours:
                found = _relative(times.ours[by] / milliseconds, times, earlier, now.rates, before.rates)
                if found is not None:
                    yield Slowdown(key, by, milliseconds, times.ours[by], *found)
            elif by == OURS:
                yield Slowdown(key, by, milliseconds, math.nan, "–", math.inf)


def _relative(
    ratio: float, now: RowTimes, before: RowTimes, rates: Rates | None, rates_before: Rates | None
) -> tuple[str, float] | None:
    """Return by what to divide a ratio of times, and the quotient; None if nothing was measured in both runs."""
    found = {by: ratio * earlier / now.beside[by] for by, earlier in before.beside.items() if by in now.beside}
    if FLOOR not in found and rates and rates_before:
        found |= {text: ratio * getattr(rates, name) / getattr(rates_before, name) for name, text in _RATES.items()}
    return min(found.items(), key=lambda each: each[1]) if found else None


def history_of(folder: Path, machine: str) -> Path:
    """Return the path of a machine's history."""
    return folder / f"{machine}.history.jsonl"


def recalled(path: Path) -> list[StoredRun]:
    """Return the runs of a history, the newest last; none if there is no file.

    Raises:
        InputError: If a line cannot be read.
    """
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines() if path.exists() else (), 1):
        try:
            found.append(StoredRun.of_line(json.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}, line {number}: is no run of the benchmark; remove the line") from error
    return found


def remember(path: Path, run: StoredRun) -> None:
    """Append a run to a history, in place of an earlier one of the same commit."""
    kept = [old for old in recalled(path) if (old.commit, old.dirty) != (run.commit, run.dirty)]
    with written_whole(path) as temporary:
        temporary.write_text("".join(each.line() for each in (*kept, run)), encoding="utf-8")


def run_named(name: str, path: Path) -> StoredRun:
    """Return the run of a commit in a history, or of a file: a report in JSON, or the newest of another history.

    Raises:
        InputError: If there is no such run, or the file cannot be read.
    """
    file = Path(name)
    if file.is_file():
        runs = recalled(file) if file.suffix == ".jsonl" else [_reported(file)]
    else:
        commit = _full(name)
        runs = [run for run in recalled(path) if commit.startswith(run.commit) or run.commit.startswith(commit)]
        runs.sort(key=lambda run: not run.dirty)  # the commit itself rather than changes on it
    if not runs:
        known = ", ".join(run.commit for run in recalled(path)) or "none"
        raise InputError(f"--against is {name!r}; expected a file, or a commit in {path.name}, which has: {known}")
    return runs[-1]


def _reported(file: Path) -> StoredRun:
    try:
        return StoredRun.of_report(json.loads(file.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{file}: is no report of the benchmark; expected a .json or .jsonl that it wrote") from error


def _full(name: str) -> str:
    """Return the full hash of a revision that git knows; otherwise the name itself."""
    command = ["git", "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return name
    return done.stdout.strip() or name


def _row_times(problems: list[dict[str, Any]], rates: Rates | None) -> Iterator[tuple[RowKey, RowTimes]]:
    for each in problems:
        shape = dict(each["problem"])
        shape["image_size"] = tuple(shape.get("image_size", Problem.image_size))
        problem = Problem(**shape)
        found: dict[RowKey, RowTimes] = {}
        for row in each["rows"]:
            times = found.setdefault(RowKey(str(problem), row["row"], row["pass"]), RowTimes())
            if "milliseconds" in row:
                side = times.ours if row["by"] in _OURS else times.beside
                side[row["by"]] = _short(row["milliseconds"]["median"])
        for key, times in found.items():
            work = work_of(key.row, key.direction, problem)
            if work is not None and rates is not None:
                times.beside[FLOOR] = _short(work.milliseconds(rates))
            yield key, times


def _short(value: float) -> float:
    return float(f"{value:.4g}")
