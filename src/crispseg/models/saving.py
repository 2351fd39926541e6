"""Networks in safetensors files that record the class of the network and its arguments."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar, overload

import torch
from torch import Tensor, nn

from crispseg.errors import InputError, one_line
from crispseg.models.network import NETWORKS, Network
from crispseg.models.state import check_state, load_metadata, load_state
from crispseg.writing import write_tensors

_Kind = TypeVar("_Kind", bound=Network)
_Value = TypeVar("_Value")

_DTYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)

_LONGEST_QUOTE = 200


def save_network(network: Network, path: Path, **metadata: str) -> None:
    """Write the weights of a network, whole or not at all.

    The file also records the name of the class, its constructor arguments, and `metadata`, which is free text.

    Raises:
        InputError: If the file cannot be written.

    Example:
        >>> from crispseg.models import EmbeddingNet
        >>> path = getfixture("tmp_path") / "embedding.safetensors"
        >>> save_network(EmbeddingNet(dim=8), path, steps="4000")
        >>> load_network(path, EmbeddingNet).dim
        8
    """
    save_weights(network, path, **metadata, **_made(network))


def save_networks(networks: Mapping[str, Network], path: Path) -> None:
    """Write the weights of several networks to one file, each under a prefix such as "parts.0.".

    `load_network` and `load_embedding_net` read one of them by its prefix.

    Raises:
        InputError: If the file cannot be written.
    """
    state: dict[str, Tensor] = {}
    metadata: dict[str, str] = {}
    for prefix, network in networks.items():
        state |= {prefix + name: value for name, value in network.state_dict().items()}
        metadata |= {prefix + name: text for name, text in _made(network).items()}
    write_tensors(path, state, metadata)


def _made(network: Network) -> dict[str, str]:
    return {"network": type(network).__name__, "arguments": json.dumps(network.arguments)}


def save_weights(module: nn.Module, path: Path, **metadata: str) -> None:
    """Write the weights of any module, whole or not at all, under the names of its `state_dict`.

    Raises:
        InputError: If the file cannot be written.
    """
    # A parameter that goes by two names is written under both.
    write_tensors(path, module.state_dict(), metadata)


@overload
def load_network(path: Path, *, prefix: str = "") -> Network: ...
@overload
def load_network(path: Path, kind: type[_Kind], /, *kinds: type[_Kind], prefix: str = "") -> _Kind: ...
def load_network(path: Path, *kinds: type[Network], prefix: str = "") -> Network:
    """Read a network that `save_network` wrote, in evaluation mode.

    Args:
        path: The file.
        kinds: Accepted classes, such as `EmbeddingNet`, or `DeepLabLargeFOV, DeepLabMSc`; by default every class of
            crispseg, and those that other packages register (see `Network`).
        prefix: The prefix of its weights in a file of several networks.

    Raises:
        InputError: If the file is missing, is not safetensors, holds another network or not all of it.
    """
    state, metadata = read_network(path, prefix)
    if not kinds:
        kind = NETWORKS.find(metadata.get("network", ""))
        kinds = NETWORKS.own() if kind is None else (kind,)
    return build_network(state, metadata, path, *kinds)


def read_network(path: Path, prefix: str = "") -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the weights and the metadata of a network in a file, without the prefix that they have there.

    Raises:
        InputError: If the file is missing or is not safetensors.
    """
    state, metadata = load_state(path), load_metadata(path)
    return _under(state, prefix), _under(metadata, prefix)


def _under(named: Mapping[str, _Value], prefix: str) -> dict[str, _Value]:
    return {name.removeprefix(prefix): value for name, value in named.items() if name.startswith(prefix)}


def saved_network(path: Path) -> str | None:
    """Return the name of the class that a file of `save_network` holds; None for any other safetensors file.

    Raises:
        InputError: If the file is missing or is not safetensors.
    """
    return load_metadata(path).get("network")


def build_network(state: Mapping[str, Tensor], metadata: Mapping[str, str], path: Path, *kinds: type[_Kind]) -> _Kind:
    """Return the network that the metadata describe, with these weights; it must be one of the kinds.

    The metadata name a class and its shape. Anything else, such as a file to start from, is refused.

    Raises:
        InputError: As `load_network` does.
    """
    name = metadata.get("network")
    by_name = {kind.__name__: kind for kind in kinds}
    if name not in by_name:
        _refuse(name, by_name, path)
    network = _make(by_name[name], metadata.get("arguments", "{}"), path)
    own = network.state_dict()
    _check_dtypes(state, own, path)
    check_state(state, {tensor: tuple(value.shape) for tensor, value in own.items()}, path)
    unknown = sorted(state.keys() - own.keys())
    if unknown:
        raise InputError(
            f"weights {path}: {unknown[0]} is not of {_with_article(name)}: give weights made for this network"
        )
    # Counters, such as the number of batches that a normalisation has seen, stay whole numbers.
    converted = {name: value.float() if own[name].is_floating_point() else value for name, value in state.items()}
    network.load_state_dict(converted, assign=True)
    return network.eval()


def _refuse(name: str | None, expected: Iterable[str], path: Path) -> NoReturn:
    kinds = " or ".join(map(_with_article, expected))
    if not name:
        raise InputError(f"weights {path}: does not hold a network that crispseg saved; expected {kinds}")
    remedy = ""
    if NETWORKS.find(name) is None:
        remedy = (
            f": no installed package registers {name[:_LONGEST_QUOTE]} under the entry point group {NETWORKS.group}; "
            "do so, or load the weights in your own code"
        )
    raise InputError(f"weights {path}: holds {_with_article(name[:_LONGEST_QUOTE])}; expected {kinds}{remedy}")


def _make(kind: type[_Kind], arguments: str, path: Path) -> _Kind:
    """Return the network, where possible without allocating weights that would only be replaced."""
    try:
        given = json.loads(arguments)
        if not isinstance(given, dict):
            raise InputError(f"{type(given).__name__} in place of arguments by name")
        for name in given:
            if name not in kind.shape:
                raise InputError(f"unknown argument {name!r}; expected only {', '.join(kind.shape)}")
        return _built(kind, given)
    except Exception as error:  # whatever JSON and the network say to arguments that make no sense
        raise InputError(
            f"weights {path}: {_shortened(arguments)} does not describe {_with_article(kind.__name__)} "
            f"({one_line(error).removesuffix('.')}); expected a file that crispseg saved"
        ) from error


def _built(kind: type[_Kind], arguments: Mapping[str, Any]) -> _Kind:
    try:
        with torch.device("meta"):
            network = kind(**arguments)
        held = network.state_dict().keys()
        if all(name in held for name, _ in network.named_buffers()):
            return network
    except (NotImplementedError, RuntimeError):  # parts of other packages that compute while they are made
        pass
    with torch.random.fork_rng(devices=[]):
        return kind(**arguments)


def _shortened(text: str) -> str:
    """Return a quoted text from a file, shortened."""
    return repr(text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}…")


def _check_dtypes(state: Mapping[str, Tensor], own: Mapping[str, Tensor], path: Path) -> None:
    for name, value in state.items():
        counts = name in own and not own[name].is_floating_point()
        if value.dtype not in _DTYPES and not (counts and value.dtype == own[name].dtype):
            raise InputError(
                f"weights {path}: {name} is {value.dtype}; expected floating-point numbers of 16, 32 or 64 bits"
            )


def _with_article(name: str) -> str:
    return f"{'an' if name.startswith(tuple('AEHIO')) else 'a'} {name or 'network without a name'}"
