"""Find and list files."""

import glob
import itertools
import os
import unicodedata
from collections.abc import Container, Iterator, Sequence
from pathlib import Path

from crispseg.errors import InputError
from crispseg.reading import read_text
from crispseg.writing import Identity, identity

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

_PASSED_OVER = ("__MACOSX", "@eaDir", "Thumbs.db")
"""Files and folders that operating systems leave behind; hidden ones begin with a dot."""


def composed(name: str) -> str:
    """Return a name with composed letters, as most systems write them; macOS writes é as e and an accent.

    Example:
        >>> composed("cafe\u0301") == "caf\u00e9"
        True
    """
    return unicodedata.normalize("NFC", name)


def list_files(folder: Path, endings: Sequence[str], what: str, *, besides: Container[Identity] = ()) -> list[Path]:
    """Return the files with one of the endings in a folder and its subfolders, sorted.

    Hidden files and folders are skipped, as are files that macOS, Windows and storage devices leave behind.

    Args:
        folder: Where to look; links to folders are followed.
        endings: File endings in lower case, such as ".png".
        what: Name of the files in errors.
        besides: More folders to skip.

    Raises:
        InputError: If the folder does not exist, cannot be listed, or has no such file.
    """
    if not folder.is_dir():
        raise InputError(f"{what} folder {folder}: no such folder")
    try:
        found = sorted(path for path in _below(folder, besides) if path.suffix.lower() in endings)
    except PermissionError as error:
        raise InputError(f"{what} folder {error.filename}: cannot be listed; check its permissions") from error
    except OSError as error:
        raise InputError(f"{what} folder {folder}: cannot be listed ({error.strerror or error})") from error
    if not found:
        raise InputError(f"{what} folder {folder}: no file ends in {', '.join(endings)}")
    return found


def _below(folder: Path, besides: Container[Identity], above: frozenset[Identity] = frozenset()) -> Iterator[Path]:
    above |= {identity(folder)}
    with os.scandir(folder) as entries:
        for entry in entries:
            if is_passed_over(entry.name):
                continue
            path = folder / entry.name
            if not entry.is_dir():
                yield path
            # A link may lead back to one of its own parents.
            elif (place := identity(path)) not in above and place not in besides:
                yield from _below(path, besides, above)


def is_passed_over(name: str) -> bool:
    """Return whether a file or folder of that name is hidden, or was left by the operating system."""
    return name.startswith(".") or name in _PASSED_OVER


def is_pattern(path: Path) -> bool:
    """Return whether a path is a glob pattern, such as `images/*.jpg`, and not an existing file with such a name."""
    return glob.has_magic(str(path)) and not path.exists()


def expand_pattern(pattern: Path, endings: Sequence[str], what: str) -> list[Path]:
    """Return the files that match a glob pattern and have one of the endings, sorted; `**` matches any folders.

    Raises:
        InputError: If no file matches.
    """
    fixed = len(fixed_part(pattern).parts)
    named = map(Path, glob.iglob(str(pattern), recursive=True))  # noqa: PTH207 - Path.glob takes none that are absolute
    found = sorted(
        path
        for path in named
        if path.suffix.lower() in endings and path.is_file() and not any(map(is_passed_over, path.parts[fixed:]))
    )
    if not found:
        raise InputError(f"{what}s {pattern}: no {', '.join(endings)} file matches; check the pattern")
    return found


def fixed_part(pattern: Path) -> Path:
    """Return the leading folders of a glob pattern that contain no wildcard.

    Example:
        >>> fixed_part(Path("images/*/left_*.png")).as_posix()
        'images'
    """
    return Path(*itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))


def check_readable(path: Path, what: str) -> None:
    """Refuse a path that cannot be opened, before a decoder calls it damaged."""
    try:
        if not path.is_file():
            raise InputError(f"{what} {path}: no such file")
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{what} {path}: cannot be opened ({error.strerror}); check its permissions") from error


def read_names(path: Path) -> list[str]:
    """Read names from a text file, one per line; the rest of a line after a blank is ignored.

    Raises:
        InputError: If the file does not exist, is not text, or has no names.
    """
    check_readable(path, "list")
    text = read_text(path, "list", "cannot be read as text; expected a name on each line")
    names = [line.split()[0] for line in text.splitlines() if line.strip()]
    if not names:
        raise InputError(f"list {path}: has no names; expected one on each line")
    return names
