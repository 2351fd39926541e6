"""Read the MATLAB files in which some data sets are released."""

import math
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from crispseg.extras import optional_packages
from crispseg.reading import parsed

_MOST_BYTES = 2**28
"""Bytes that a file may expand to; the data sets' files take a few megabytes."""

_HEAD, _TAG = 128, 8
_MATRIX, _COMPRESSED = 14, 15
_BYTES_OF_A_CELL = {1: _TAG, 2: _TAG, 3: _TAG, 4: 1}
"""Least bytes of a cell, structure, object or text in a file."""

_Order = Literal["little", "big"]
_ORDERS: dict[bytes, _Order] = {b"IM": "little", b"MI": "big"}


@contextmanager
def opened_matlab(path: Path, what: str) -> Iterator[Mapping[str, Any]]:
    """Read a MATLAB 5 file, and give its variables by name. Needs SciPy (extra `data`).

    Raises:
        InputError: If it is not a MATLAB 5 file, or lacks a requested variable.
    """
    # SciPy belongs to an extra; only data sets in MATLAB files need it.
    with optional_packages():
        from scipy.io import loadmat  # noqa: PLC0415

    with parsed(path, what, f"not a {what}; unpack the archive again"):
        _refuse_bomb(path)
        yield loadmat(path)


def _refuse_bomb(path: Path) -> None:
    """Refuse a file whose variables expand beyond reason, or that claims more cells than it can hold.

    Raises:
        ValueError: If it does.
    """
    with path.open("rb") as file:
        order = _ORDERS.get(file.read(_HEAD)[-2:], "little")
        left = _MOST_BYTES
        while len(tag := file.read(_TAG)) == _TAG:
            kind, size = int.from_bytes(tag[:4], order), int.from_bytes(tag[4:], order)
            content = file.read(min(size, path.stat().st_size))
            if kind == _COMPRESSED:
                content = zlib.decompressobj().decompress(content, left + 1)
                left -= len(content)
            if left < 0:
                raise ValueError(f"expands to more than {_MOST_BYTES >> 20} MiB")
            whole = content if kind == _COMPRESSED else tag + content
            _check_counts(memoryview(whole), order)


def _check_counts(elements: memoryview, order: _Order) -> None:
    """Refuse matrices that declare more cells, fields or letters than the file holds: they take memory at once."""
    for kind, content in _elements(elements, order):
        if kind != _MATRIX:
            continue
        parts = _elements(content, order)
        (_, flags), (_, sizes) = next(parts, (0, content[:0])), next(parts, (0, content[:0]))
        counts = (int.from_bytes(sizes[at : at + 4], order) for at in range(0, len(sizes), 4))
        array_class = int.from_bytes(flags[:4], order) & 0xFF
        if math.prod(counts) * _BYTES_OF_A_CELL.get(array_class, 0) > len(content):
            raise ValueError("claims more cells than it holds")
        _check_counts(content, order)


def _elements(data: memoryview, order: _Order) -> Iterator[tuple[int, memoryview]]:
    """Yield type and content of each element; elements of up to four bytes lie within their tag."""
    at = 0
    while at + _TAG <= len(data):
        kind, size = int.from_bytes(data[at : at + 4], order), int.from_bytes(data[at + 4 : at + 8], order)
        if kind >> 16:
            yield kind & 0xFFFF, data[at + 4 : at + 4 + (kind >> 16)]
            size = 0
        else:
            yield kind, data[at + _TAG : at + _TAG + size]
        at += _TAG + size + (-size % 8)
