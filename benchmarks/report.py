"""Tables of the results for the terminal, in Markdown and in JSON."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table as RichTable

from benchmarks.contenders import OURS
from benchmarks.floors import CAPTION as FLOORS_CAPTION
from benchmarks.floors import Rates, work_of
from benchmarks.history import Slowdown, StoredRun
from benchmarks.measure import Outcome, Timing
from benchmarks.scaling import Scaling
from benchmarks.targets import TARGETS, Measured, milliseconds
from crispseg.writing import written_whole

RED = "contract red"

_TIMES_CAPTION = """\
Milliseconds: median, minimum and maximum of all runs, which took turns. Outputs are allocated inside the call. For
crispseg, the embedding is channels-last and weights have the layout of its own operation; the others get both in
PyTorch's default layout, which is faster for them. Scores are NCHW. "alone" is only the forward of F.unfold, for
comparison with both passes. In the row with kornia, both take a guide of 3 channels; the weights differ, since kornia's
decrease with the squared distance of colours and with the distance in space. The dense CRF takes several times longer
on these random colours than on photographs. MiB: peak memory above inputs and outputs; on a CPU, of one call in a
separate process."""


_SLOWER_CAPTION = """\
Both times were divided by what the same run measured beside them: contenders that are not crispseg, and the floor, or
the processor's peak rates where no floor is counted. Shown is the one that makes the least of the change."""


@dataclass
class BenchmarkResults:
    """All results of a run."""

    machine: dict[str, str]
    implementations: dict[str, str]
    red: set[str]
    measured: list[Measured] = field(default_factory=list)
    scalings: list[Scaling] = field(default_factory=list)
    rates: Rates | None = None


@dataclass(frozen=True)
class ReportTable:
    """A table of text cells."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    caption: str = ""
    words: int = 1
    """Number of columns on the left with words, aligned left; the others hold numbers."""

    def rich(self) -> RichTable:
        """Return the table for the terminal."""
        caption = " ".join(self.caption.split())
        table = RichTable(title=self.title, caption=caption, title_justify="left", caption_justify="left")
        for index, column in enumerate(self.columns):
            table.add_column(column, justify="left" if index < self.words else "right")
        for row in self.rows:
            table.add_row(*row)
        return table

    def markdown(self) -> str:
        """Return the table in Markdown."""
        rule = tuple("---" if index < self.words else "---:" for index in range(len(self.columns)))
        lines = ["| " + " | ".join(cells) + " |" for cells in (self.columns, rule, *self.rows)]
        return "\n".join([f"## {self.title}", "", *lines, *(["", self.caption] if self.caption else [])])


def tables(results: BenchmarkResults) -> Iterator[ReportTable]:
    """Yield all tables, the most important first."""
    first = results.measured[0]
    yield _targets(first, results.scalings)
    for measured in results.measured:
        yield _times(measured)
        if results.rates:
            yield _floors(measured, results.rates)
    for scaling in results.scalings:
        yield _scaling(scaling, first)


def slower(found: Sequence[Slowdown], now: StoredRun, before: StoredRun, threshold: float) -> ReportTable:
    """Return the table of the rows that became slower than a run before, by more than some percent."""
    rows = [
        (each.key.row, each.key.direction, each.by, *map(number, (each.before, each.now, each.ratio)), each.beside)
        for each in sorted(found, key=lambda each: -each.ratio)
    ]
    changed = {
        name: f"{name} {before.versions.get(name, 'none')} → {version}"
        for name, version in now.versions.items()
        if before.versions.get(name) != version
    }
    columns = ("operation", "pass", "by", "ms then", "ms now", "times as slow", "measured by")
    caption = _SLOWER_CAPTION + (f" Versions differ: {', '.join(changed.values())}." if changed else "")
    return ReportTable(f"Slower by more than {threshold:g} %: {now} than {before}", columns, rows, caption, words=3)


def write(results: BenchmarkResults, folder: Path, name: str) -> list[Path]:
    """Write `name`.json and `name`.md, each completely or not at all, and return their paths."""
    title = f"# crispseg on {results.machine['device']}"
    facts = [f"- {key}: {value}" for key, value in results.machine.items()]
    served = [f"- `{key}`: {value}" for key, value in results.implementations.items()]
    parts = [title, "\n".join(facts), "Served by:", "\n".join(served), *(table.markdown() for table in tables(results))]
    texts = {".json": json.dumps(_plain(results), indent=1, ensure_ascii=False), ".md": "\n\n".join(parts)}
    paths = []
    for suffix, text in texts.items():
        paths.append(folder / f"{name}{suffix}")
        with written_whole(paths[-1]) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
    return paths


def _targets(measured: Measured, scalings: list[Scaling]) -> ReportTable:
    rows = []
    for target in TARGETS:
        value = target.value(measured, scalings)
        rows.append((target.what, f"{target.bound} {target.limit:g}", number(value), target.verdict(value)))
    return ReportTable(f"Targets: {measured.problem}", ("what", "target", "measured", ""), rows)


def _times(measured: Measured) -> ReportTable:
    rows = []
    for (row, direction, contender), outcome in measured.times.items():
        ratio = milliseconds(outcome) / measured.ms(row, direction)
        peak = measured.peaks.get((row, direction, contender))
        memory = "–" if peak is None else f"{peak / 2**20:.1f}"
        names = (row, direction) if contender == OURS else ("", "")
        rows.append((*names, contender, *_spread(outcome), number(ratio), memory))
    columns = ("operation", "pass", "by", "ms", "least–most", "runs", "÷ crispseg", "MiB")
    return ReportTable(f"Times: {measured.problem}", columns, rows, _TIMES_CAPTION, words=3)


def _spread(outcome: Outcome) -> tuple[str, str, str]:
    if isinstance(outcome, str):
        return outcome, "–", "–"
    return number(outcome.median), f"{number(outcome.low)}–{number(outcome.high)}", str(outcome.runs or "–")


def _floors(measured: Measured, rates: Rates) -> ReportTable:
    rows = []
    for (row, direction, contender), outcome in measured.times.items():
        work = work_of(row, direction, measured.problem)
        if contender == OURS and work is not None and isinstance(outcome, Timing):
            floor = work.milliseconds(rates)
            rows.append((row, direction, number(floor), number(outcome.median), number(outcome.median / floor)))
    title = (
        f"Floors at {rates.multiply_adds / 1e9:.3g} billion multiply-adds and {rates.bandwidth / 1e9:.3g} GB "
        f"per second: {measured.problem}"
    )
    return ReportTable(
        title, ("operation", "pass", "floor ms", "measured ms", "÷ floor"), rows, FLOORS_CAPTION, words=2
    )


def _scaling(scaling: Scaling, measured: Measured) -> ReportTable:
    rows = [
        (row, direction, *(_spread(times[value])[0] for value in scaling.values))
        for (row, direction), times in scaling.times.items()
    ]
    columns = ("operation", "pass", *map(str, scaling.values))
    return ReportTable(f"Scaling with {scaling.name}, ms", columns, rows, f"Otherwise {measured.problem}.", words=2)


def number(value: float) -> str:
    """Format a number with three significant digits."""
    if math.isnan(value):
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def stored(results: BenchmarkResults) -> StoredRun:
    """Return what the history keeps of the results."""
    return StoredRun.of_report(_plain(results))


def _plain(results: BenchmarkResults) -> dict[str, Any]:
    """Return the results for JSON, which has neither NaN nor tuples as keys."""
    first = results.measured[0]
    targets = [(target, target.value(first, results.scalings)) for target in TARGETS]
    return {
        "machine": results.machine,
        "implementations": results.implementations,
        "red": sorted(results.red),
        "targets": [
            {
                "what": target.what,
                "target": f"{target.bound} {target.limit:g}",
                "measured": None if math.isnan(value) else value,
                "verdict": target.verdict(value),
            }
            for target, value in targets
        ],
        "problems": [{"problem": asdict(measured.problem), "rows": _rows(measured)} for measured in results.measured],
        "rates": asdict(results.rates) if results.rates else None,
        "scaling": [
            {"with": scaling.name, "row": row, "pass": direction, "value": value, **_time(outcome)}
            for scaling in results.scalings
            for (row, direction), times in scaling.times.items()
            for value, outcome in times.items()
        ],
    }


def _rows(measured: Measured) -> list[dict[str, Any]]:
    return [
        {
            "row": row,
            "pass": direction,
            "by": contender,
            **_time(outcome),
            "peak_bytes": measured.peaks.get((row, direction, contender)),
        }
        for (row, direction, contender), outcome in measured.times.items()
    ]


def _time(outcome: Outcome) -> dict[str, Any]:
    return {"milliseconds": asdict(outcome)} if isinstance(outcome, Timing) else {"no_time": outcome}
