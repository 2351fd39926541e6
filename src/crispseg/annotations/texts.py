"""Parts that the readers of annotations share: files of a size that fits into memory, and checked numbers."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, AnyStr, TypeVar

import numpy as np

from crispseg.annotations.filling import Ring
from crispseg.data.files import check_readable
from crispseg.errors import InputError
from crispseg.reading import parsed

T = TypeVar("T")

LARGEST = 1 << 29
"""The largest file that is read, in bytes. COCO's own annotations of 118,000 images have 0.45 GB."""

BOM = "\ufeff"
"""The byte order mark with which some editors of Windows begin a file. It stays where it is."""

_FAR = 1e7
"""Coordinates from here on are a fault: no image is so large."""


def read_bytes(path: Path, what: str) -> bytes:
    """Return the content of a file.

    Raises:
        InputError: If it cannot be read, or is too large.
    """
    check_readable(path, what)
    size = path.stat().st_size
    if size > LARGEST:
        raise InputError(
            f"{what} {path}: {size / 1e9:.1f} GB; expected at most {LARGEST / 1e9:.1f} GB, which is parsed in memory; "
            "split it into files of fewer images"
        )
    with parsed(path, what, "cannot be read; check the file"):
        return path.read_bytes()


def read_text(path: Path, what: str) -> str:
    """Return the content of a UTF-8 file, with its line ends as they are.

    Raises:
        InputError: If it cannot be read, is too large, or is not UTF-8.
    """
    content = read_bytes(path, what)
    with parsed(path, what, "is not UTF-8 text; save it as UTF-8"):
        return content.decode()


def spliced(text: AnyStr, edits: Iterable[tuple[int, int, AnyStr]]) -> AnyStr:
    """Return a text with parts of it replaced, each given by its begin, its end and the new text.

    Example:
        >>> spliced("a big cat", [(6, 9, "dog"), (2, 5, "small")])
        'a small dog'
    """
    pieces: list[AnyStr] = []
    at = 0
    for begin, end, new in sorted(edits):
        pieces += [text[at:begin], new]
        at = end
    pieces.append(text[at:])
    return text[:0].join(pieces)


@contextmanager
def parse_json(path: Path, what: str) -> Iterator[dict[str, Any]]:
    """Yield the JSON object in a file; whatever fails while it is read becomes an error that names the file.

    Raises:
        InputError: If the file is not a JSON object, is too large, or does not hold what is read from it.
    """
    text = read_text(path, what)
    with parsed(path, what, "cannot be read as JSON; write it again"):
        said = json.loads(text.removeprefix(BOM))
    with parsed(path, what, "does not hold what the format has; check it against the format"):
        if not isinstance(said, dict):
            raise InputError(f"holds a {type(said).__name__}; expected an object")
        yield said


def field_of(said: dict[str, Any], name: str, kind: type[T], where: str) -> T:
    """Return a member of an object.

    Raises:
        InputError: If it is missing or of another kind.
    """
    value = said.get(name)
    if not isinstance(value, kind):
        found = "is missing" if value is None else f"is a {type(value).__name__}"
        raise InputError(f"{name!r} of {where} {found}; expected a {kind.__name__}")
    return value


def as_ring(points: object) -> Ring:
    """Return the vertices of a polygon.

    Raises:
        InputError: If they are fewer than three, or not finite.
    """
    ring = np.asarray(points, np.float64).reshape(-1, 2)
    if len(ring) < 3:
        raise InputError(f"its polygon has {len(ring)} points; expected three or more")
    if not (np.abs(ring) < _FAR).all():
        raise InputError(f"its polygon has a coordinate that is not finite, or not below {_FAR:.0e}")
    return ring


def rounded(ring: Ring) -> Ring:
    """Return vertices to a hundredth of a pixel."""
    return np.round(ring, 2)
