"""The files of the weights that ship with the package."""

from importlib.resources import files
from pathlib import Path

from crispseg.config import SHIPPED_WEIGHTS
from crispseg.errors import InputError


def shipped_path(weights: str | Path) -> Path:
    """Return the file of weights that ship, given their name; any other path as it is.

    Raises:
        InputError: If they are neither a name nor a path, such as `init: null` in a config.
    """
    if not isinstance(weights, str | Path):
        raise InputError(f"weights are {weights}; expected {', '.join(SHIPPED_WEIGHTS)}, a file, or random for an init")
    if weights in SHIPPED_WEIGHTS:
        return Path(str(files("crispseg") / "weights" / f"{weights}.safetensors"))
    return Path(weights)
