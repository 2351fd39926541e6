"""Read weights: from safetensors only, with the shape of every tensor checked; and the files that ship."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from crispseg.config import SHIPPED_WEIGHTS
from crispseg.errors import InputError
from crispseg.reading import parsed, read_safetensors

_REMEDY = "get it again"


def load_state(path: Path, what: str = "weights") -> dict[str, Tensor]:
    """Return the tensors of a safetensors file by name.

    Raises:
        InputError: If the file is missing or is not safetensors.
    """
    if not path.is_file():
        raise InputError(f"{what} {path}: no such file")
    state, _ = read_safetensors(path, what, _REMEDY)
    for name, value in state.items():
        if value.is_complex() or (value.is_floating_point() and value.dtype.itemsize < 2):
            raise InputError(f"{what} {path}: {name} is {value.dtype}; expected float32, or 16 or 64 bits")
    return state


def tensor_names(path: Path) -> set[str]:
    """Return the names of the tensors in a safetensors file; only its header is read.

    Raises:
        InputError: If the file is missing or is not safetensors.
    """
    with _explained(path), safe_open(path, framework="pt") as file:
        return set(file.keys())


def load_metadata(path: Path) -> dict[str, str]:
    """Return the metadata of a safetensors file: text by name.

    Raises:
        InputError: If the file is missing or is not safetensors.
    """
    with _explained(path), safe_open(path, framework="pt") as file:
        return dict(file.metadata() or {})


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    if not path.is_file():
        raise InputError(f"weights {path}: no such file")
    with parsed(path, "weights", f"not a safetensors file that can be read; {_REMEDY}"):
        yield


def check_state(state: Mapping[str, Tensor], shapes: Mapping[str, tuple[int, ...]], source: object) -> None:
    """Check that tensors have the shapes of a network and hold finite numbers.

    Raises:
        InputError: If a tensor is missing, has another shape, or holds NaN or infinity.
    """
    for name, shape in shapes.items():
        found = tuple(state[name].shape) if name in state else "missing"
        if found != shape:
            raise InputError(
                f"weights {source}: {name} is {found}; expected shape {shape}: give weights made for this network"
            )
        if not torch.isfinite(state[name]).all():
            raise InputError(f"weights {source}: {name} holds NaN or infinity; expected trained weights")


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
