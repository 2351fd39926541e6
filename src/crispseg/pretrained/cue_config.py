"""Cues as names and values, and back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from crispseg.checks import check_allowed, check_choice
from crispseg.cues import CUES, ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.errors import InputError
from crispseg.models.embedding_net import EmbeddingNet
from crispseg.models.hed import HED
from crispseg.models.network import Network
from crispseg.models.saving import load_network


@dataclass(frozen=True)
class _Kind:
    """What makes a cue of one kind."""

    arguments: Mapping[str, Sequence[object]] = field(default_factory=dict)
    """Names, and the values that each may have in a file."""
    network: str | None = None
    """Name of the argument that is a network."""
    networks: tuple[type[Network], ...] = ()
    """What that network may be."""


_NORMS = (1, 2)

_KINDS: dict[type[Cue], _Kind] = {
    LearnedCue: _Kind({"norm": _NORMS}, "network", (EmbeddingNet,)),
    RGBCue: _Kind({"norm": _NORMS}),
    SoftSegmentationCue: _Kind({"maps": range(1, 1025), "norm": _NORMS}),
    ContourCue: _Kind({}, "detector", (HED,)),
}

_PRECISIONS = ("float32", "bfloat16", "float16")


def kind_of(cue: Cue) -> str:
    """The name in `crispseg.cues.CUES` of the kind of a cue.

    Raises:
        InputError: If it is a cue of one's own.
    """
    for name, kind in CUES.items():
        if type(cue) is kind:
            return name
    raise InputError(
        f"{type(cue).__name__} cannot be saved: expected one of {', '.join(kind.__name__ for kind in CUES.values())}; "
        "a cue of your own is made again by your code, and its state_dict is saved by safetensors"
    )


def describe_cue(cue: Cue) -> dict[str, Any]:
    """Kind and arguments of a cue, and the precision of its network, whose class and arguments its weights carry.

    Raises:
        InputError: If cue or network are of one's own.

    Example:
        >>> describe_cue(RGBCue(norm=2))
        {'kind': 'rgb', 'norm': 2}
    """
    name, network = kind_of(cue), network_of(cue)
    described = {"kind": name} | {argument: getattr(cue, argument) for argument in _KINDS[CUES[name]].arguments}
    return described if network is None else described | {"precision": _precision(network)}


def network_of(cue: Cue) -> Network | None:
    """The network of a cue; None where it has none.

    Raises:
        InputError: If cue or network are of one's own: nothing would tell how to make it again.
    """
    kind = _KINDS[CUES[kind_of(cue)]]
    network = None if kind.network is None else getattr(cue, kind.network)
    if network is not None and type(network) not in kind.networks:
        raise InputError(
            f"{type(cue).__name__} with {type(network).__name__} cannot be saved: expected "
            f"{' or '.join(known.__name__ for known in kind.networks)}, whose arguments are known"
        )
    return network


def check_cue(described: object) -> None:
    """Refuse what `describe_cue` does not write.

    Raises:
        InputError: If the kind is unknown, or an argument is missing, unknown or of a value that no cue has.
    """
    if not isinstance(described, Mapping):
        raise InputError(f"cue is {described!r}; expected its kind and arguments by name")
    check_choice("cue kind", described.get("kind"), tuple(CUES))
    kind = _KINDS[CUES[described["kind"]]]
    optional = {"precision"} if kind.network == "detector" else set()
    needed = {"kind", *kind.arguments} | ({"precision"} if kind.network == "network" else set())
    wrong = sorted((needed - described.keys()) | (described.keys() - needed - optional))
    if wrong:
        raise InputError(f"{wrong[0]!r} {'is no argument of' if wrong[0] in described else 'is missing of'} the cue")
    for name, allowed in kind.arguments.items():
        check_allowed(name, described[name], allowed)
    if "precision" in described:
        check_choice("precision", described["precision"], _PRECISIONS)


def load_cue_network(described: Mapping[str, Any], weights: Path) -> Network | None:
    """The network of the cue that `describe_cue` described, from its file; None where it has none.

    Raises:
        InputError: If the file does not hold such a network.
    """
    if "precision" not in described:
        return None
    network = load_network(weights, *_KINDS[CUES[described["kind"]]].networks)
    return network.to(getattr(torch, described["precision"]))


def make_cue(described: Mapping[str, Any], network: Network | None) -> Cue:
    """The cue that `describe_cue` described.

    Raises:
        InputError: If an argument makes no sense.
    """
    kind = _KINDS[CUES[described["kind"]]]
    arguments = {name: described[name] for name in kind.arguments}
    if kind.network is not None and network is not None:
        arguments[kind.network] = network
    return CUES[described["kind"]](**arguments)


def _precision(network: Network) -> str:
    precision = str(next(network.parameters()).dtype).removeprefix("torch.")
    if precision not in _PRECISIONS:
        raise InputError(
            f"weights are {precision}; expected {', '.join(_PRECISIONS)}: convert the sharpener with .to()"
        )
    return precision
