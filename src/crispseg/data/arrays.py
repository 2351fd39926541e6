"""Reading arrays that NumPy wrote."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from crispseg.errors import InputError


@contextmanager
def loaded(path: Path, what: str) -> Iterator[np.ndarray | np.lib.npyio.NpzFile]:
    """Open a `.npy` or `.npz` file, and turn whatever goes wrong while it is read into an error that names it.

    Raises:
        InputError: If the file is damaged or holds objects.
    """
    try:
        with path.open("rb") as file:
            yield np.load(file, allow_pickle=False)
    except InputError:
        raise
    except Exception as error:  # NumPy raises whatever its parsers raise: a dozen kinds
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{what} {path}: damaged, or not a plain array ({reason}); write it with numpy.save"
        ) from error
