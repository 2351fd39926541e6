"""Networks in files: safetensors that say which network they hold and what it was made with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from crispseg.errors import InputError, one_line
from crispseg.models.network import Network
from crispseg.models.state import check_state, load_metadata, load_state
from crispseg.writing import write_tensors

_Kind = TypeVar("_Kind", bound=Network)

_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

_LONGEST_QUOTE = 200


def save_network(network: Network, path: Path, **metadata: str) -> None:
    """Write the weights of a network, whole or not at all.

    Beside them the file says the name of the class and the arguments it was made with, and `metadata`, free text.

    Raises:
        InputError: If the file cannot be written.

    Example:
        >>> from crispseg.models import EmbeddingNet
        >>> path = getfixture("tmp_path") / "embedding.safetensors"
        >>> save_network(EmbeddingNet(dim=8), path, steps="4000")
        >>> load_network(path, EmbeddingNet).dim
        8
    """
    made = {"network": type(network).__name__, "arguments": json.dumps(network.arguments)}
    save_weights(network, path, **metadata, **made)


def save_weights(module: nn.Module, path: Path, **metadata: str) -> None:
    """Write the weights of any module, whole or not at all, under the names of its `state_dict`.

    Raises:
        InputError: If the file cannot be written.
    """
    # A parameter that goes by two names is written under both.
    write_tensors(path, module.state_dict(), metadata)


def load_network(path: Path, *kinds: type[_Kind]) -> _Kind:
    """Read a network that `save_network` wrote, in evaluation mode.

    Args:
        path: The file.
        kinds: Classes of which it may be, such as `EmbeddingNet`, or `DeepLabLargeFOV, DeepLabMSc`.

    Raises:
        InputError: If the file is missing, is not safetensors, holds another network or not all of it.
    """
    return build_network(load_state(path, "weights"), load_metadata(path, "weights"), path, *kinds)


def saved_network(path: Path) -> str | None:
    """Name of the class that a file of `save_network` holds; None for any other safetensors file.

    Raises:
        InputError: If the file is missing or is not safetensors.
    """
    return load_metadata(path, "weights").get("network")


def build_network(state: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path, *kinds: type[_Kind]) -> _Kind:
    """The network of one of the kinds that the metadata describe, with these weights.

    The metadata name a class and its shape. Whatever else they say, such as a file to start from, is refused.

    Raises:
        InputError: As `load_network` does.
    """
    name = metadata.get("network")
    by_name = {kind.__name__: kind for kind in kinds}
    if name not in by_name:
        holds = _with_article(name[:_LONGEST_QUOTE]) if name else "no network that crispseg saved"
        raise InputError(f"weights {path}: holds {holds}; expected {' or '.join(map(_with_article, by_name))}")
    network = _make(by_name[name], metadata.get("arguments", "{}"), path)
    shapes = {tensor: tuple(value.shape) for tensor, value in network.state_dict().items()}
    _check_dtypes(state, path)
    check_state(state, shapes, path)
    unknown = sorted(state.keys() - shapes.keys())
    if unknown:
        raise InputError(
            f"weights {path}: {unknown[0]} is not of {_with_article(name)}: give weights made for this network"
        )
    network.load_state_dict({tensor: value.float() for tensor, value in state.items()}, assign=True)
    return network.eval()


def _make(kind: type[_Kind], arguments: str, path: Path) -> _Kind:
    """The network without memory for its weights, which are the file's: nothing is drawn only to be replaced."""
    try:
        given = json.loads(arguments)
        if not isinstance(given, dict):
            raise InputError(f"{type(given).__name__} in place of arguments by name")
        for name in given:
            if name not in kind.shape:
                raise InputError(f"{name!r} is no part of its shape, which is {', '.join(kind.shape)}")
        with torch.device("meta"):
            return kind(**given)
    except Exception as error:  # whatever JSON and the network say to arguments that make no sense
        raise InputError(
            f"weights {path}: {_shortened(arguments)} does not describe {_with_article(kind.__name__)} "
            f"({one_line(error).removesuffix('.')}); expected a file that crispseg saved"
        ) from error


def _shortened(text: str) -> str:
    """Quote a text from a file, shortened."""
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…")


def _check_dtypes(state: Mapping[str, Tensor], path: Path) -> None:
    for name, value in state.items():
        if value.dtype not in _DTYPES:
            raise InputError(
                f"weights {path}: {name} is {value.dtype}; expected floating-point numbers of 16, 32 or 64 bits"
            )


def _with_article(name: str) -> str:
    return f"{'an' if name.startswith(tuple('AEHIO')) else 'a'} {name or 'network without a name'}"
