"""The output of commands: tables, remarks, and a progress bar."""

import sys
from collections.abc import Iterable

from rich.console import Console
from rich.markdown import Markdown
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

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


def progress_bar(unit: str | None = None) -> Progress:
    """Return a bar with count, elapsed time and time left, on standard error, which vanishes when it is done.

    If standard error is not a terminal, it shows nothing.

    Args:
        unit: What is counted, to show how many are done in a second; None for what takes different times.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([_RateColumn(unit)] if unit else []),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else what is printed would not reach the file or pipe it is for
        disable=not console.is_terminal,
    )
