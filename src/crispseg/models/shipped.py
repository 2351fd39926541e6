"""The weights that ship with the package, by name."""

from importlib.resources import files
from pathlib import Path

SHIPPED_WEIGHTS = ("narrow", "wide")
"""Names of the embeddings that ship: "wide" has the paper's layers, "narrow" half their channels."""


def weights_path(weights: str | Path) -> Path:
    """Return the file of weights that ship, given their name; any other path as it is."""
    if weights in SHIPPED_WEIGHTS:
        return Path(str(files("crispseg") / "weights" / f"{weights}.safetensors"))
    return Path(weights)
