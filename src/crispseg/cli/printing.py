"""The output of commands: tables, remarks, and a progress bar."""

import sys
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

_BETWEEN_LINES = 60
"""Seconds between lines of progress where there is no bar."""

_ESTIMATED_OVER = 900
"""Seconds of which the time left is estimated. It is unknown if two steps take longer, such as large tiles."""

_WIDEST = 10_000
"""Letters of a line where no terminal sets its length: rich would cut tables at 80."""


def print_tables(*tables: Table) -> None:
    """Print tables as wide as the terminal; in a pipe or a file, as wide as they are.

    Titles are lines before their tables: rich would break them where a table is narrow.
    """
    console = Console()
    if not console.is_terminal:
        console = Console(width=_WIDEST)
    for table in tables:
        title, table.title = table.title, None
        if title:
            console.print(title, style="table.title", highlight=False)
        console.print(table)


def print_markdown(text: str) -> None:
    """Print Markdown in the style of the terminal; in a pipe or a file, as it is."""
    console = Console()
    if console.is_terminal:
        console.print(Markdown(text))
    else:
        print(text, end="" if text.endswith("\n") else "\n")


def print_remarks(remarks: Iterable[str]) -> None:
    """Print remarks on labels that look misread, on standard error."""
    for remark in remarks:
        print(f"note: {remark}", file=sys.stderr)


class _RateColumn(ProgressColumn):
    """How many are done in a second, of late."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:.1f} {self.unit}/s", style="progress.data.speed")


class _Lines(Progress):
    """A bar; where there is no terminal, such as in the log of a cluster, a line each minute."""

    _said: float | None = None

    def update(self, task_id: TaskID, **fields: Any) -> None:  # noqa: ANN401 - as in rich
        super().update(task_id, **fields)
        self._say(task_id)

    def advance(self, task_id: TaskID, advance: float = 1) -> None:
        super().advance(task_id, advance)
        self._say(task_id)

    def _say(self, task_id: TaskID) -> None:
        now = self.get_time()
        with self._lock:
            self._said = now if self._said is None else self._said
            if not self.disable or now - self._said < _BETWEEN_LINES:
                return
            self._said, task = now, self._tasks[task_id]
            times = [(task.elapsed, "so far"), (task.time_remaining, "left")]
        said = [f"{timedelta(seconds=round(time))} {what}" for time, what in times if time is not None]
        count = f"{task.completed:g}" if task.total is None else f"{task.completed:g} of {task.total:g}"
        print(", ".join([f"{task.description}: {count}", *said]), file=sys.stderr)


def progress_bar(unit: str | None = None) -> Progress:
    """Return a bar with count, elapsed time and time left, on standard error, which vanishes when it is done.

    If standard error is not a terminal, it prints a line each minute.

    Args:
        unit: What is counted, to show how many are done in a second; None for what takes different times.
    """
    console = Console(stderr=True)
    return _Lines(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([_RateColumn(unit)] if unit else []),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        speed_estimate_period=_ESTIMATED_OVER,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else what is printed would not reach the file or pipe it is for
        disable=not console.is_terminal,
    )
