"""The folder of a page, for uploads and results. It is limited in size, and removed when the page ends."""

import contextlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_PREFIX = "crispseg-app-"
_LOCK = "lock"
_LEAST = 2**16
"""The size, in bytes, that a smaller file counts as, so that the number of files is bounded too."""


class Storage:
    """Files in a folder, of which the oldest are removed where they take too much.

    Args:
        folder: The folder.
        most: Bytes that they may take.
    """

    def __init__(self, folder: Path, most: int) -> None:
        self.folder = folder
        self._most = most
        self._coming = 0

    @contextlib.contextmanager
    def upload(self, size: int) -> Iterator[bool]:
        """Make room for an upload while it lasts; yield whether there is any.

        Args:
            size: Of the upload, in bytes.
        """
        if self._coming + size > self._most:
            yield False
            return
        self._coming += size
        try:
            self.make_room()
            yield True
        finally:
            self._coming -= size
            if not self._coming:
                self._remove_torn()

    def named(self, upload: Path, name: str | None) -> Path:
        """Return a path to an upload that ends in the name that it has on the visitor's machine.

        Where there is none, or the file system does not take it, it is the path as it was.
        """
        own = Path(name or "").name
        if own in {"", upload.name}:
            return upload
        path = Path(tempfile.mkdtemp(dir=self.folder)) / own
        try:
            os.link(upload, path)
        except (OSError, ValueError):
            return upload
        return path

    def make_room(self) -> None:
        """Remove the oldest files until what is there and what is coming is no more than the total."""
        found = []
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):  # another thread may have removed it
                status = path.lstat()
                if stat.S_ISREG(status.st_mode) and path.parent != self.folder:
                    found.append((status.st_mtime, max(status.st_size, _LEAST), path))
        excess = sum(size for _, size, _ in found) + self._coming - self._most
        for _, size, path in sorted(found):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= size

    def _remove_torn(self) -> None:
        """Remove what is left of uploads that broke off: Gradio moves what is whole into another folder."""
        for path in self.folder.iterdir():
            if path.is_file() and path.name != _LOCK:
                path.unlink(missing_ok=True)


@contextlib.contextmanager
def opened_folder() -> Iterator[Path]:
    """Yield a new folder for a page and remove it afterwards; first remove those of pages that were killed."""
    _remove_left_overs()
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX)).resolve()
    try:
        with _locked(folder):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Say that a page uses a folder, for as long as its process lives."""
    new = folder / f"{_LOCK}.new"
    with new.open("wb") as file:
        _lock(file)
        new.rename(folder / _LOCK)  # so that nobody sees a lock that is not held
        yield


def _lock(file: IO[bytes]) -> bool:
    """Lock a file; return False where another process holds the lock."""
    try:
        import fcntl  # noqa: PLC0415 - Windows has no such locks, and its left-overs stay

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ModuleNotFoundError, OSError):
        return False
    return True


def _remove_left_overs() -> None:
    """Remove folders of pages that ended without a chance to do so, as by `kill -9`: those whose lock nobody holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or gone
            lock = folder / _LOCK
            if not _is_ours(folder) or lock.is_symlink() or not lock.is_file():
                continue
            with lock.open("r+b") as file:
                if _lock(file):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_ours(folder: Path) -> bool:
    return os.name == "posix" and not folder.is_symlink() and folder.lstat().st_uid == os.getuid()
