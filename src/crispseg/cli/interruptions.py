"""What a long command says when it ends early: how to go on."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from crispseg.errors import OutputError


@contextmanager
def resumable(is_begun: Callable[[], object]) -> Iterator[None]:
    """Say of an interruption, and of an output that cannot be written, that --resume goes on.

    Args:
        is_begun: Returns whether there is anything to go on with.
    """
    try:
        yield
    except KeyboardInterrupt:
        raise KeyboardInterrupt("; --resume goes on" if is_begun() else " before anything was finished") from None
    except OutputError as error:
        if not is_begun():
            raise
        raise OutputError(f"{error}; with the same output, --resume goes on") from error
