"""A lock on an output, so that two runs at once do not mix what they write."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from crispseg.errors import InputError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_LOCK = ".crispseg.lock"
"""The name of the lock file in a folder. It is hidden, and removed at the end."""

_HELD = (errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
"""The errors that say that another process holds a lock. All others say that there are no locks here."""


@contextmanager
def only_writer(output: Path, *, is_folder: bool = True) -> Iterator[None]:
    """Refuse to write where another run writes, and keep other runs away until the end.

    The operating system frees the lock when a process ends, however it ends. Where it has no locks, or the lock file
    cannot be written, the work goes on without.

    Args:
        output: The folder or the file that the run writes, which need not exist.
        is_folder: Whether it is a folder.

    Raises:
        InputError: If another run writes there.
    """
    target = output.resolve()
    lock = target / _LOCK if is_folder else target.with_name(f".{target.name}.lock")
    made = [folder for folder in lock.parents if not folder.exists()]
    with suppress(OSError):  # whoever writes the first output says what is wrong
        lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = _locked(lock)
    except BlockingIOError:
        what = "folder" if is_folder else "file"
        raise InputError(
            f"output {what} {output}: another run is writing to it; wait until it ends, or choose another {what}"
        ) from None
    try:
        yield
    finally:
        if descriptor is not None:
            _free(descriptor, lock)
        with suppress(OSError):  # it holds outputs now
            for folder in made:
                folder.rmdir()


def _locked(path: Path) -> int | None:
    """Return the descriptor of a lock file that is held until it is closed; None where there are no locks.

    Raises:
        BlockingIOError: If another process holds it.
    """
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError:
            return None
        try:
            _lock(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno in _HELD:
                raise BlockingIOError from error
            _remove(path)
            return None
        if sys.platform == "win32" or _is_still_at(path, descriptor):
            return descriptor
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    if sys.platform == "win32":
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is_still_at(path: Path, descriptor: int) -> bool:
    """Return whether an open file has its path yet: who held it before may have removed it just now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _free(descriptor: int, path: Path) -> None:
    """Remove a lock file while it is held, where open files can be removed; on Windows, after it."""
    _remove(path)
    os.close(descriptor)
    if sys.platform == "win32":
        _remove(path)


def _remove(path: Path) -> None:
    with suppress(OSError):
        path.unlink()
