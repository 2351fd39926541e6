"""Reading arrays that NumPy wrote."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from crispseg.errors import InputError
from crispseg.reading import parsed

_MOST_BYTES = 2**32
"""To which a compressed file may expand: a few kilobytes of it can claim any number."""


@contextmanager
def loaded(path: Path, what: str) -> Iterator[np.ndarray | np.lib.npyio.NpzFile]:
    """Open a `.npy` or `.npz` file, and turn whatever goes wrong while it is read into an error that names it.

    Raises:
        InputError: If the file is damaged, holds objects, or would expand to more than 4 GiB.
    """
    with parsed(path, what, "damaged, or not a plain array; write it with numpy.save"), path.open("rb") as file:
        try:
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.lib.npyio.NpzFile):
                _refuse_bomb(content, path, what)
            yield content
        except ValueError as error:
            if "pickle" not in str(error):
                raise
            # NumPy's own advice is to load it all the same, which would run whatever it holds.
            raise InputError(
                f"{what} {path}: holds Python objects, or is no NumPy file at all; expected numbers, written with "
                "numpy.save or numpy.savez"
            ) from None


def _refuse_bomb(content: np.lib.npyio.NpzFile, path: Path, what: str) -> None:
    size = sum(member.file_size for member in content.zip.infolist()) if content.zip else 0
    if size > _MOST_BYTES:
        raise InputError(
            f"{what} {path}: too large to open safely (expands to {size / 2**30:.1f} GiB); cut it into tiles, or write "
            "it uncompressed with numpy.save"
        )
