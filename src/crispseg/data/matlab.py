"""Reading the MATLAB files that some data sets are released in."""

import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crispseg.reading import parsed

_MOST_BYTES = 2**28
"""To which a file may expand; those of the data sets are a few megabytes."""

_CHUNK = 2**20
_HEAD, _TAG = 128, 8
_COMPRESSED = 15


@contextmanager
def opened_matlab(path: Path, what: str) -> Iterator[Mapping[str, Any]]:
    """Read a MATLAB 5 file; give its variables by name. Needs SciPy (extra `data`).

    Raises:
        InputError: If the file is not such a file, or does not hold what is asked of it.
    """
    # SciPy belongs to an extra; only data sets in MATLAB files need it.
    from scipy.io import loadmat  # noqa: PLC0415

    with parsed(path, what, f"not a {what}; unpack the archive again"):
        _refuse_bomb(path)
        yield loadmat(path)


def _refuse_bomb(path: Path) -> None:
    """Refuse a file whose compressed variables expand beyond reason.

    Raises:
        ValueError: If it does.
    """
    left = _MOST_BYTES
    with path.open("rb") as file:
        order: Any = {b"IM": "little", b"MI": "big"}.get(file.read(_HEAD)[-2:], "little")
        while len(tag := file.read(_TAG)) == _TAG:
            kind, size = int.from_bytes(tag[:4], order), int.from_bytes(tag[4:], order)
            if kind != _COMPRESSED:
                file.seek(size, 1)
                continue
            unpacked, packed = zlib.decompressobj(), size
            while packed > 0 and (part := file.read(min(packed, _CHUNK))):
                packed -= len(part)
                while part and not unpacked.eof:
                    left -= len(unpacked.decompress(part, _CHUNK))
                    part = unpacked.unconsumed_tail
                    if left < 0:
                        raise ValueError(f"expands to more than {_MOST_BYTES >> 20} MiB")
