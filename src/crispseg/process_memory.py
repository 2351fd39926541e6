"""Keep, return or measure the memory that the system holds for this process. Has an effect on Linux only."""

import ctypes
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FIXED_THRESHOLDS = {"MALLOC_MMAP_THRESHOLD_": str(2**16), "MALLOC_TRIM_THRESHOLD_": "0", "MALLOC_TOP_PAD_": "0"}
"""Environment variables that the Linux allocator reads when a process starts."""

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MOST_ARENAS = -1, -3, -8
"""Parameters of `mallopt` in the Linux allocator."""
_LARGEST_KEPT = 32 * 2**20
"""The largest block, in bytes, that the allocator can keep; it always returns larger ones to the system."""
_LARGEST_KEPT_OF_MANY = 2**20
"""The same limit when images differ so much that memory freed by one does not fit the next."""
_GROWTH = 1.1
"""Growth of the memory held, relative to the second image, above which images count as different."""


def is_counted() -> bool:
    """Return whether this system reports the memory of a process and can reset its peak."""
    return _STATUS.exists() and _CLEAR.exists()


def forget_peak() -> None:
    """Reset the peak of the memory held.

    Raises:
        OSError: If the system does not allow it.
    """
    _CLEAR.write_text("5")


def resident_bytes() -> int:
    """Return the bytes held now."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """Return the most bytes held since the process started, or since `forget_peak`."""
    return _status("VmHWM")


def keep_freed() -> None:
    """Keep the memory that the main thread frees for reuse, with the Linux allocator.

    By default the allocator returns every larger block to the system, which clears it page by page before it hands it
    out again. In a sequence of 480×360 images that takes a third of the time. Use this in processes that repeat the
    same work and whose memory is not limited. Call `settle` after each image.
    """
    global _kept  # noqa: PLW0603 - there is one allocator
    mallopt = _of_the_allocator("mallopt")
    if mallopt is not None:
        mallopt(_MOST_ARENAS, 1)  # otherwise each new thread would keep the memory it frees for itself
        mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT)
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        _kept = _Kept(mallopt) if is_counted() else None


def settle() -> None:
    """Mark the end of an image, if `keep_freed` was called.

    Blocks of one size are reused by the next image. Blocks of many sizes fragment the heap, which then grows from image
    to image. Once it has grown, larger blocks are returned to the system again, as without `keep_freed`.
    """
    if _kept is not None:
        _kept.settle()


class _Kept:
    """The memory that this process holds from one image to the next."""

    def __init__(self, mallopt: Callable[..., int]) -> None:
        self._mallopt = mallopt
        self._images = 0
        self._held = 0
        self._alike = True

    def settle(self) -> None:
        self._images += 1
        if self._images == 2:  # the first image allocates what all images share
            self._held = resident_bytes()
        if self._alike and self._images > 2 and resident_bytes() > _GROWTH * self._held:
            self._alike = False
            give_back()
            self._mallopt(_MMAP_THRESHOLD, _LARGEST_KEPT_OF_MANY)


_kept: _Kept | None = None
"""Set once this process keeps freed memory."""


def give_back() -> None:
    """Return freed memory to the system, with the Linux allocator; other allocators do so by themselves."""
    trim = _of_the_allocator("malloc_trim")
    if trim is not None:
        trim(0)


@contextmanager
def mapped_blocks() -> Iterator[None]:
    """Make processes started in this context map every larger block separately and unmap it when it is freed.

    Otherwise, blocks freed earlier distort a measurement: reusing them hides a part of what a call takes, and
    fragmentation adds to it.
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
