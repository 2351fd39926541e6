"""Messages of a long command that ends early: how to go on."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from crispseg.errors import InputError, OutputError
from crispseg.single_writer import only_writer
from crispseg.writing import check_output_file


@contextmanager
def resumable(*kept: Path) -> Iterator[None]:
    """Say of an interruption, and of an output that cannot be written, that --resume goes on.

    Args:
        kept: Files and folders, of which one is there if there is anything to go on with.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_advice(kept) or " before anything was kept") from None
    except OutputError as error:
        raise OutputError(str(error) + _advice(kept).replace(";", "; with the same output,")) from error


def _advice(kept: Iterable[Path]) -> str:
    return "; --resume goes on" if any(path.exists() for path in kept) else ""


def check_report_file(path: Path, kept: Path | None, inputs: Iterable[Path | None]) -> None:
    """Refuse a file for a report as `check_output_file` does, or if it is that of --resume, which it would replace."""
    check_output_file(path, inputs)
    if kept is not None and path.resolve() == kept.resolve():
        raise InputError(f"--json and --resume are both {path}; expected two files")


@contextmanager
def resumable_by_file(kept: Path | None) -> Iterator[None]:
    """Say of an interruption that --resume FILE goes on, if such a file was given, or that it would.

    Raises:
        InputError: If another run keeps its counts in the same file.
    """
    try:
        with nullcontext() if kept is None else only_writer(kept, is_folder=False):
            yield
    except KeyboardInterrupt:
        there = kept is not None and kept.exists()
        otherwise = "; nothing was kept: --resume FILE would keep what is counted"
        raise KeyboardInterrupt(f"; --resume {kept} goes on" if there else otherwise) from None
