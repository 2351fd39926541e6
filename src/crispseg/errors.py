"""The errors a user can mend: something that was given to crispseg is not what it needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


class InputError(ValueError):
    """Says what was given, what was expected and what to do. The command line prints one line."""


class OutputError(InputError):
    """A place cannot be written to. It is the fault of no single input, so that a run over many ends with it."""


def ran_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, in whatever words a library says so."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY)


def one_line(error: Exception) -> str:
    """What an error says, on one line; its kind where it says nothing."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the name of a file before an input error that does not say which file it speaks of."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error
