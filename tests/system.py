"""What the system refuses: disks that are full, files that may not be opened."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NOBODY = 65534


@contextmanager
def small_disk(folder: Path, kilobytes: int) -> Iterator[str]:
    """Little room in a folder: a disk of that size where one may be mounted, else no file may be larger.

    Yields:
        What the system says when it is full.
    """
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if subprocess.run(["mount", *options], check=False, capture_output=True).returncode == 0:
        try:
            yield "No space left on device"
        finally:
            subprocess.run(["umount", str(folder)], check=True)
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, hard))  # with two files an image, the smaller one fits
    try:
        yield "File too large"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def without_privileges() -> Iterator[None]:
    """Permissions of files hold, which they do not for root."""
    mine = os.geteuid()
    if mine == 0:
        os.seteuid(_NOBODY)
    try:
        yield
    finally:
        os.seteuid(mine)
