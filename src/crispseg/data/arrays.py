"""Read arrays that NumPy wrote, within a memory limit that the file cannot raise."""

import math
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from crispseg.errors import InputError
from crispseg.reading import parsed

_MOST_BYTES = 2**30
"""Bytes that any file may expand to. A few kilobytes can claim far more, and zeros compress to far less."""

_FOLD, _LARGEST = 32, 2**32
"""A large file may expand to `_FOLD` times its size, up to `_LARGEST` bytes or its own size."""

_CHUNK = 2**20
_MOST_MEMBERS = 1000
_BYTES_OF_A_NUMBER = 4
"""Least bytes of a number in the tensor made of an array."""

_DEFLATE_FOLD = 1032
"""Largest factor by which deflate can expand data."""


class _Header(NamedTuple):
    """The header of an array: shape, order and dtype."""

    shape: tuple[int, ...]
    is_fortran: bool
    dtype: np.dtype

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.numbers * self.dtype.itemsize


def array_names(path: Path, what: str) -> list[str]:
    """Return the names of the arrays in a `.npz` file; a single empty name for a `.npy` file.

    Raises:
        InputError: If the file is damaged or of another kind.
    """
    with _explained(path, what), path.open("rb") as file:
        if not _is_archive(file):
            return [""]
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
        if len(names) > _MOST_MEMBERS:
            raise InputError(f"{what} {path}: holds {len(names)} arrays; expected at most {_MOST_MEMBERS}")
        return [name.removesuffix(".npy") for name in names]


def held_numbers(path: Path, what: str) -> int:
    """Return the size, in numbers, that the largest array of a file declares; only headers are read.

    Raises:
        InputError: If the file is damaged or of another kind, or holds anything but plain arrays.
    """
    numbers = []
    for name in array_names(path, what):
        with _explained(path, what), _opened(path, name) as (stream, _):
            numbers.append(_read_header(stream).numbers)
    return max(numbers, default=0)


def read_array(path: Path, what: str, name: str = "") -> np.ndarray:
    """Read one array of a `.npy` or `.npz` file, and nothing else.

    Memory is allocated only after a check that the file can hold that much. The limit is 1 GiB; for a file above 32 MiB
    it is 32 times the size of the file, up to 4 GiB or the size of the file itself.

    Args:
        path: The file.
        what: Name of the input in errors.
        name: One of `array_names`.

    Raises:
        InputError: If the file is damaged, holds objects, or the array would be larger.
    """
    with _explained(path, what), _opened(path, name) as (stream, size):
        header = _read_header(stream)
        held = path.stat().st_size
        most = min(max(_MOST_BYTES, _FOLD * held), max(_LARGEST, held))
        needed = header.numbers * max(header.dtype.itemsize, _BYTES_OF_A_NUMBER)
        if needed > most:
            raise InputError(
                f"{what} {path}: too large to open safely (expands to {needed / 2**30:.1f} GiB; expected at most "
                f"{most / 2**30:.1f}); cut it into tiles, or give scores of a lower resolution"
            )
        if header.bytes > size:
            raise ValueError(f"its header declares {header.bytes} bytes, but it holds at most {size}")
        values = np.empty(header.numbers, header.dtype)
        _fill(values.view(np.uint8).data, stream)
    return values.reshape(header.shape[::-1]).T if header.is_fortran else values.reshape(header.shape)


def _explained(path: Path, what: str) -> AbstractContextManager[None]:
    return parsed(path, what, "damaged, or not a plain array; write it with numpy.save")


@contextmanager
def _opened(path: Path, name: str) -> Iterator[tuple[IO[bytes], int]]:
    """Open an array as a stream, and give the most bytes it can have, whatever the file declares."""
    whole = path.stat().st_size
    with path.open("rb") as file:
        if not _is_archive(file):
            yield file, whole
            return
        with zipfile.ZipFile(file) as archive:
            try:
                member = archive.getinfo(f"{name}.npy")
            except KeyError:
                member = archive.getinfo(name)
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise ValueError("its compression is not one that NumPy writes")
            packed = min(member.compress_size, whole)
            most = packed * (_DEFLATE_FOLD if member.compress_type == zipfile.ZIP_DEFLATED else 1)
            with archive.open(member) as stream:
                yield stream, min(member.file_size, most)


def _is_archive(file: IO[bytes]) -> bool:
    """Return whether the first bytes are those of a zip archive, as NumPy decides it."""
    start = file.read(4)
    file.seek(0)
    return start in (b"PK\x03\x04", b"PK\x05\x06")


def _read_header(stream: IO[bytes]) -> _Header:
    version = np.lib.format.read_magic(stream)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"of version {version}; plain arrays are of 1.0 or 2.0")
    header = _Header(*readers[version](stream))
    if header.dtype.hasobject:
        raise ValueError("holds Python objects, which are never loaded")
    if min(header.shape, default=0) < 0:
        raise ValueError(f"shape {header.shape}")
    return header


def _fill(target: memoryview, stream: IO[bytes]) -> None:
    done = 0
    while done < len(target):
        part = stream.read(min(_CHUNK, len(target) - done))
        if not part:
            raise ValueError(f"ends after {done} of {len(target)} bytes")
        target[done : done + len(part)] = part
        done += len(part)
