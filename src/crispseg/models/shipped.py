"""The files of the weights that ship with the package."""

from importlib.resources import files
from pathlib import Path

from crispseg.config import SHIPPED_WEIGHTS


def shipped_path(weights: str | Path) -> Path:
    """Return the file of weights that ship, given their name; any other path as it is."""
    if weights in SHIPPED_WEIGHTS:
        return Path(str(files("crispseg") / "weights" / f"{weights}.safetensors"))
    return Path(weights)
