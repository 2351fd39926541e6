"""Errors that a user can fix: something given to crispseg is not what it needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NO_MEMORY = ("can't allocate memory", "not enough memory", "out of memory")


class InputError(ValueError):
    """An error in what the user gave. Its one-line message says what was given, what was expected and how to fix it."""


class OutputError(InputError):
    """An output cannot be written. No single input caused it, so a run over many inputs stops."""


class SlowerWarning(UserWarning):
    """A warning that the kernels for a device are missing, so that plain PyTorch computes the same, more slowly."""


class KindWarning(UserWarning):
    """A warning that scores look like those of another kind than the given one."""


def ran_out_of_memory(error: Exception) -> bool:
    """Return whether an error means that memory ran out, whichever library raised it."""
    return isinstance(error, MemoryError) or any(words in str(error).lower() for words in _NO_MEMORY)


def one_line(error: Exception) -> str:
    """Return the message of an error on one line, or the name of its class if it has no message."""
    return " ".join(str(error).split()) or type(error).__name__


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Prefix an input error with the name of a file, unless its message names that file already."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error
