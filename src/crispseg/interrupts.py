"""Ctrl-C while the command is still importing: print one line and exit, without a traceback."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

INTERRUPTED = 130
"""The exit code of a program that was ended by Ctrl-C."""


@contextmanager
def leaving_at_once() -> Iterator[None]:
    """End the process at Ctrl-C with one line on standard error, for use during imports, when no work can be lost.

    Raising an exception would not work: some modules catch it during their import and raise another.
    """
    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or threading.current_thread() is not threading.main_thread():
        yield  # the signal is ignored, has a handler of its own, or cannot be changed from this thread
        return
    signal.signal(signal.SIGINT, _leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def is_command() -> bool:
    """Return whether this process is the command line and not a program that imports the package."""
    name = sys.argv[0] if sys.argv else ""
    # `python -m crispseg` imports the package before it sets the program name.
    return Path(name).stem == "crispseg" or (name == "-m" and "crispseg" in sys.orig_argv[1:4])


def _leave(*_: object) -> None:
    os.write(2, b"crispseg: interrupted\n")
    os._exit(INTERRUPTED)
