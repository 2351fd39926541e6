"""The files of the weights that ship with the package."""

import difflib
from importlib.resources import files
from pathlib import Path

from crispseg.config import SHIPPED_WEIGHTS
from crispseg.errors import InputError


def weights_path(weights: str | Path) -> Path:
    """Return the file of weights that ship, by their name; a path as it is.

    Raises:
        InputError: If a name without a folder or an ending is neither.
    """
    if weights in SHIPPED_WEIGHTS:
        return Path(str(files("crispseg") / "weights" / f"{weights}.safetensors"))
    path = Path(weights)
    if not path.exists() and len(path.parts) == 1 and not path.suffix:
        near = difflib.get_close_matches(str(weights), SHIPPED_WEIGHTS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(
            f"weights are {str(weights)!r}; expected {' or '.join(map(repr, SHIPPED_WEIGHTS))}, which ship, a "
            f"safetensors file, a folder of save_pretrained, or OWNER/NAME on a hub{hint}"
        )
    return path
