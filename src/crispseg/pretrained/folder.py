"""Sharpeners in folders: the config in `config.json`, the weights in `model.safetensors`, and a model card."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from crispseg.config import SharpenerConfig
from crispseg.cue_config import PRECISIONS, CueConfig
from crispseg.cues import Cue, describe_cue, make_cue, networks_of, single_cues, traits_of
from crispseg.errors import InputError, one_line
from crispseg.models.embedding_net import load_embedding_net
from crispseg.models.network import NETWORKS, Network
from crispseg.models.saving import load_network, save_network, save_networks
from crispseg.pretrained.model_card import model_card
from crispseg.reading import read_json
from crispseg.registry import CUES
from crispseg.versions import __version__
from crispseg.writing import make_folder, write_text

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "README.md"

_SAVED_BY = "saved by"


def save_folder(folder: Path, cue: Cue, config: SharpenerConfig, *, name: str, license: str | None) -> None:
    """Write a sharpener; each file is written atomically, and other files in the folder stay.

    Args:
        folder: The folder to write to; it is created if it does not exist.
        cue: A registered cue; its network, if it has one, must be registered too.
        config: The config of the sharpener.
        name: The name that the card uses to load the sharpener.
        license: The license of the weights, an identifier that the hub knows, such as "apache-2.0"; None if unknown.

    Raises:
        InputError: If the cue or its network is not registered, or the folder cannot be written to.
    """
    networks = [_network_of(one) for one in single_cues(cue)]
    files = [None if network is None else WEIGHTS_FILE for network in networks]
    config = replace(config, cue=describe_cue(cue).with_weights(files))
    make_folder(folder)
    if not config.cue.parts and networks[0] is not None:
        save_network(networks[0], folder / WEIGHTS_FILE)
    elif any(files):
        named = zip(_prefixes(config.cue), networks, strict=True)
        save_networks({prefix: network for prefix, network in named if network is not None}, folder / WEIGHTS_FILE)
    write_text(folder / CARD_FILE, model_card(config, name=name, license=license))
    # The config is written last, so that an incomplete folder is not taken for a sharpener.
    written = {**config.to_dict(), _SAVED_BY: f"crispseg {__version__}"}
    write_text(folder / CONFIG_FILE, json.dumps(written, indent=2) + "\n")


def load_folder(folder: Path) -> tuple[Cue, SharpenerConfig]:
    """Return the cue and the config of the sharpener that `save_folder` wrote.

    Raises:
        InputError: If a file is missing, or was not written by crispseg.
    """
    path = folder / CONFIG_FILE
    given = _read(path)
    given.pop(_SAVED_BY, None)
    with _explained(path):
        config = SharpenerConfig.from_dict(given)
        for one, takes_network in zip(config.cue.single, traits_of(config.cue).networks, strict=True):
            if one.weights not in (None, WEIGHTS_FILE):
                raise InputError(f"weights are {one.weights!r}; expected {WEIGHTS_FILE!r}, or none")
            if one.weights is not None and not takes_network:
                raise InputError(f"cue {one.name!r} has no network; expected no weights, got {WEIGHTS_FILE!r}")
    networks = [
        None if one.weights is None else load_network_of(one, folder / WEIGHTS_FILE, prefix)
        for one, prefix in zip(config.cue.single, _prefixes(config.cue), strict=True)
    ]
    with _explained(path):
        cue = make_cue(config.cue, networks if config.cue.parts else networks[0])
    return cue, config


def _prefixes(cue: CueConfig) -> list[str]:
    """Return the prefix of the weights of a cue, or of each of its parts, as in the state dict of a `JoinedCue`."""
    return [f"parts.{index}." for index in range(len(cue.parts))] or [""]


def load_network_of(cue: CueConfig, path: Path, prefix: str = "") -> Network:
    """Return the network of a cue from the file of its weights, in the precision of the cue.

    Args:
        cue: A cue without parts.
        path: The file.
        prefix: The prefix of its weights in a file of several networks.

    Raises:
        InputError: If the file is missing or damaged, or holds a network that the cue does not take.
    """
    return _loaded(cue.name, path, prefix).to(getattr(torch, cue.precision))


def _loaded(cue: str, path: Path, prefix: str) -> Network:
    kind: type[Cue] = CUES.named(cue)
    if kind.network_gives == "embedding":
        return load_embedding_net(path, prefix=prefix)
    network = load_network(path, prefix=prefix)
    if network.gives != kind.network_gives:
        raise InputError(
            f"weights {path}: holds {type(network).__name__}, which gives {network.gives}; cue {cue!r} needs a network "
            f"that gives {kind.network_gives}"
        )
    return network


def _network_of(cue: Cue) -> Network | None:
    """Return the network of a cue, or None if it has none.

    Raises:
        InputError: If the class of the cue or of the network is not registered, so that it could not be loaded.
    """
    kind = type(cue)
    if kind.name is None:
        raise InputError(
            f"{kind.__name__} cannot be saved, because it is not registered; define it as class {kind.__name__}(…, "
            f'name="…"), and declare an entry point in the group {CUES.group} so that it can be loaded'
        )
    (network,) = networks_of(cue)
    if network is None:
        return None
    if not isinstance(network, Network) or NETWORKS.find(type(network).__name__) is not type(network):
        raise InputError(
            f"{kind.__name__} with {type(network).__name__} cannot be saved, because the network is not registered; "
            f"expected {_names(kind.network_gives)}, or a crispseg.models.Network with an entry point of the group "
            f"{NETWORKS.group}"
        )
    precision = str(next(network.parameters()).dtype).removeprefix("torch.")
    if precision not in PRECISIONS:
        raise InputError(f"weights are {precision}; expected {', '.join(PRECISIONS)}: convert the sharpener with .to()")
    return network


def _names(gives: str) -> str:
    """Return the names of the networks of crispseg that give embeddings, scores or a boundary."""
    return " or ".join(network.__name__ for network in NETWORKS.own() if network.gives == gives)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # input errors, and Python's own errors for malformed values
        raise InputError(f"config {path}: {one_line(error)}; expected a file that save_pretrained wrote") from error


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"weights {path.parent}: holds no {path.name}; expected a folder that save_pretrained wrote")
    config = read_json(path, "config", "expected a file that save_pretrained wrote")
    if not isinstance(config, dict):
        raise InputError(f"config {path}: holds a {type(config).__name__}; expected a mapping of names to values")
    return config
