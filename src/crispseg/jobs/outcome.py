"""What becomes of one image of many."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ParamSpec, TypeVar

from crispseg.errors import InputError, OutputError, one_line, ran_out_of_memory

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Written:
    """What was written for an image."""

    image: Path
    labels: Path
    changed: float
    """Share of the pixels whose label changed."""
    seconds: float
    """Time that the stages took, without reading and writing."""


@dataclass(frozen=True)
class Skipped:
    """An image whose outputs were there."""

    image: Path


@dataclass(frozen=True)
class Failed:
    """An image that was passed over."""

    image: Path
    reason: str
    """One line: what was given, what was expected, what to do."""


Outcome = Written | Skipped | Failed
"""What became of an image."""


def attempt(work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R | InputError:
    """What the work on one image returns, or the error that is this image's fault.

    Raises:
        OutputError: Where nothing can be written, which is no image's fault.
        Exception: Whatever is nobody's fault but ours.
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
        return InputError(f"out of memory ({one_line(error)}); use a smaller image or window")
