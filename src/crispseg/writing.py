"""Writing files whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from crispseg.errors import InputError


def make_folder(folder: Path) -> None:
    """Make a folder to write into.

    Raises:
        InputError: If it cannot be made or written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise InputError(
            f"output folder {folder}: cannot be written to ({error.strerror or error}); choose another"
        ) from error


def check_writable(path: Path) -> None:
    """Refuse to replace anything but a file.

    Raises:
        InputError: If a folder or a device stands there.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: not a file; give the name of a file to write")


def prepare_file(path: Path) -> None:
    """Make the folder of a file that will be written, before the work that it is for.

    Raises:
        InputError: If it cannot be made or written to, or something that is not a file stands there.
    """
    make_folder(path.absolute().parent)
    check_writable(path)


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Give a temporary path to write to; rename it to `path` at the end, or remove it when the writing fails.

    A link is followed: what it points to is replaced.

    Raises:
        InputError: If the file cannot be written, or something that is not a file stands there.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> with written_whole(folder / "a.txt") as temporary:
        ...     _ = temporary.write_text("all of it")
        >>> [file.name for file in folder.iterdir()]
        ['a.txt']
    """
    target = path.resolve()
    check_writable(target)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}.part{target.suffix}")
    try:
        yield temporary
        temporary.replace(target)
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: cannot be written ({getattr(error, 'strerror', None) or error})") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, whole or not at all.

    Raises:
        InputError: If it cannot be written.
    """
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
