"""The memory that the system holds for this process: to keep it, return it, or count it. On Linux, and nowhere else."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FIXED_THRESHOLDS = {"MALLOC_MMAP_THRESHOLD_": str(2**16), "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0"}
"""Of the allocator of Linux, which reads them when a process starts."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`, of the allocator of Linux."""
_LARGEST_KEPT = 32 * 2**20
"""Bytes of a block; larger ones the allocator returns always."""


def is_counted() -> bool:
    """Whether this system tells the memory of a process and lets its peak start anew."""
    return _STATUS.exists() and _CLEAR.exists()


def forget_peak() -> None:
    """Let the peak start anew.

    Raises:
        OSError: If that is not allowed here.
    """
    _CLEAR.write_text("5")


def resident_bytes() -> int:
    """What is held now."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """The most that was held since the process started, or since its peak was forgotten."""
    return _status("VmHWM")


def keep_freed() -> None:
    """Keep what the main thread frees for what comes next, where the allocator is that of Linux.

    It returns every larger block to the system, which clears it page by page before it gives it again: a third of the
    time of an image of 480×360 pixels, where one follows another. For processes that do the same over and over, and
    whose memory nobody has limited.
    """
    mallopt = _of_the_allocator("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)


def give_back() -> None:
    """Return what was freed to the system, where the allocator is that of Linux; others do so by themselves."""
    trim = _of_the_allocator("malloc_trim")
    if trim is not None:
        trim(0)


@contextmanager
def mapped_blocks() -> Iterator[None]:
    """In a process that is started now every larger block is a mapping of its own, gone when it is freed.

    Else blocks that were freed before lie about, which hide a part of what a call takes, or break up and add to it.
    """
    environment = dict(os.environ)
    os.environ.update(_FIXED_THRESHOLDS)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(environment)


def _of_the_allocator(name: str) -> Callable[..., int] | None:
    return getattr(ctypes.CDLL(None), name, None) if os.name == "posix" else None


def _status(name: str) -> int:
    [line] = [line for line in _STATUS.read_text().splitlines() if line.startswith(f"{name}:")]
    return 1024 * int(line.split()[1])
