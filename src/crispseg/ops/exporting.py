"""Whether an exported program calls the operators as they are, or holds the plain PyTorch that gives the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from crispseg.compatibility import is_exporting

_KEPT = ContextVar("kept", default=False)


@contextmanager
def keeping_operators() -> Iterator[None]:
    """Let programs that are exported meanwhile call operators that have no gradient."""
    token = _KEPT.set(True)
    try:
        yield
    finally:
        _KEPT.reset(token)


def keeps_operators() -> bool:
    """Return whether the program that is being exported does."""
    return is_exporting() and _KEPT.get()
