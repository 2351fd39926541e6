"""Ctrl-C while the command is still importing: a line and an exit code, and no traceback of whoever was imported."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INTERRUPTED = 130
"""Exit code of a program that Ctrl-C ended."""


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """End the process at Ctrl-C with a line on standard error; for the time of imports, when there is nothing to lose.

    An exception would not do: some modules turn one that they are imported with into another.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield  # it is ignored or someone's own, or is not ours to change
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def is_command() -> bool:
    """Whether this process is the command and not a program that imports the package."""
    name = sys.argv[0] if sys.argv else ""
    # `python -m crispseg` imports the package before it says so.
    return Path(name).stem == "crispseg" or (name == "-m" and "crispseg" in sys.orig_argv[1:4])


def _leave(*_: object) -> None:
    os.write(2, b"crispseg: interrupted\n")
    os._exit(INTERRUPTED)
