"""The memory that the system holds for this process: to keep it, return it, or count it. On Linux, and nowhere else."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FIXED_THRESHOLDS = {"MALLOC_MMAP_THRESHOLD_": str(2**16), "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0"}
"""Of the allocator of Linux, which reads them when a process starts."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_ARENAS = -1, -3, -8
"""Parameters of `mallopt`, of the allocator of Linux."""
_LARGEST_KEPT = 32 * 2**20
"""Bytes of a block; larger ones the allocator returns always."""
_LARGEST_KEPT_OF_MANY = 2**20
"""The same where one image is unlike the next, and what was freed for one does not fit the other."""
_GROWTH = 1.1
"""How much more than after the second image may be held before images count as unlike each other."""


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
    whose memory nobody has limited. Call `settle` after each image.
    """
    global _kept  # noqa: PLW0603 - there is one allocator
    mallopt = _of_the_allocator("mallopt")
    if mallopt is not None:
        mallopt(_MOST_ARENAS, 1)  # of threads to come: each would keep what it frees for itself
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        _kept = _Kept(mallopt) if is_counted() else None


def settle() -> None:
    """Say that an image is done, where `keep_freed` was called.

    Blocks of one size serve the next image. Those of many sizes break up the heap, which then grows from image to
    image; where that is seen, larger blocks are returned to the system, as they would be without `keep_freed`.
    """
    if _kept is not None:
        _kept.settle()


class _Kept:
    """Watches the memory that this process holds from one image to the next."""

    def __init__(self, mallopt: Callable[..., int]) -> None:
        self._mallopt = mallopt
        self._images = 0
        self._held = 0
        self._alike = True

    def settle(self) -> None:
        self._images += 1
        if self._images == 2:  # the first has made what all of them use
            self._held = resident_bytes()
        if self._alike and self._images > 2 and resident_bytes() > _GROWTH * self._held:
            self._alike = False
            give_back()
            self._mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_OF_MANY)


_kept: _Kept | None = None
"""Of this process, once it keeps what it frees."""


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
