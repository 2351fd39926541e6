"""The outcome of one image of many."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from crispseg.errors import InputError, OutputError, one_line, ran_out_of_memory

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Written:
    """An image whose outputs were written."""

    image: Path
    labels: Path
    changed: float
    """The share of pixels whose label changed."""
    seconds: float
    """The time that the stages took, without reading and writing."""


@dataclass(frozen=True)
class Skipped:
    """An image whose outputs existed already."""

    image: Path


@dataclass(frozen=True)
class Failed:
    """An image that failed and was skipped."""

    image: Path
    reason: str
    """The error on one line: what was given, what was expected, how to fix it."""


Outcome = Written | Skipped | Failed
"""The outcome of an image."""


def attempt(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | InputError:
    """Return the result of the work on one image, or the input error that the image caused.

    Raises:
        OutputError: If the output cannot be written, which no single image causes.
        Exception: Any other error, which is a bug.
    """
    try:
        return work(*args, **kwargs)
    except OutputError:
        raise
    except InputError as error:
        return error
    except Exception as error:
        if not ran_out_of_memory(error):
            raise
        return InputError(f"out of memory ({one_line(error)}); use a smaller image or window, or set memory")
