"""Reading the MATLAB files that some data sets are released in."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crispseg.reading import parsed


@contextmanager
def opened_matlab(path: Path, what: str) -> Iterator[Mapping[str, Any]]:
    """Read a MATLAB 5 file; give its variables by name. Needs SciPy (extra `data`).

    Raises:
        InputError: If the file is not such a file, or does not hold what is asked of it.
    """
    # SciPy belongs to an extra; only data sets in MATLAB files need it.
    from scipy.io import loadmat  # noqa: PLC0415

    with parsed(path, what, f"not a {what}; unpack the archive again"):
        yield loadmat(path)
