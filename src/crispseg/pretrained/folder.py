"""Sharpeners in folders: the config in `config.json`, the weights in `model.safetensors`, and a model card."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from crispseg.config import SharpenerConfig
from crispseg.cue_config import PRECISIONS
from crispseg.cues import Cue, describe_cue, make_cue
from crispseg.errors import InputError, one_line
from crispseg.models.embedding_net import load_embedding_net
from crispseg.models.network import Network
from crispseg.models.registry import ENTRY_POINTS, NETWORKS, network_kind
from crispseg.models.saving import load_network, save_network
from crispseg.pretrained.model_card import model_card
from crispseg.reading import read_json
from crispseg.registry import CUES
from crispseg.versions import installed_versions
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
    network = _network_of(cue)
    config = replace(config, cue=replace(describe_cue(cue), weights=None if network is None else WEIGHTS_FILE))
    version = installed_versions(["crispseg"])["crispseg"]
    make_folder(folder)
    if network is not None:
        save_network(network, folder / WEIGHTS_FILE)
    write_text(folder / CARD_FILE, model_card(config, name=name, license=license, version=version))
    # The config is written last, so that an incomplete folder is not taken for a sharpener.
    written = {**config.to_dict(), _SAVED_BY: f"crispseg {version}"}
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
        kind: type[Cue] = CUES.named(config.cue.name)
        if config.cue.weights not in (None, WEIGHTS_FILE):
            raise InputError(f"weights are {config.cue.weights!r}; expected {WEIGHTS_FILE!r}, or none")
        if config.cue.weights is not None and kind.network_argument is None:
            raise InputError(f"cue {config.cue.name!r} has no network; expected no weights, got {WEIGHTS_FILE!r}")
    network = None if config.cue.weights is None else load_network_of(config.cue.name, folder / WEIGHTS_FILE)
    with _explained(path):
        cue = make_cue(config.cue, None if network is None else network.to(getattr(torch, config.cue.precision)))
    return cue, config


def load_network_of(cue: str, path: Path) -> Network:
    """Return the network of a cue from the file of its weights.

    Raises:
        InputError: If the file is missing or damaged, or holds a network that the cue does not take.
    """
    kind: type[Cue] = CUES.named(cue)
    if kind.network_gives == "embedding":
        return load_embedding_net(path)
    network = load_network(path)
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
    network: nn.Module | None = None if kind.network_argument is None else getattr(cue, kind.network_argument)
    if network is None:
        return None
    if not isinstance(network, Network) or network_kind(type(network).__name__) is not type(network):
        raise InputError(
            f"{kind.__name__} with {type(network).__name__} cannot be saved, because the network is not registered; "
            f"expected {_names(kind.network_gives)}, or a crispseg.models.Network with an entry point of the group "
            f"{ENTRY_POINTS}"
        )
    precision = str(next(network.parameters()).dtype).removeprefix("torch.")
    if precision not in PRECISIONS:
        raise InputError(f"weights are {precision}; expected {', '.join(PRECISIONS)}: convert the sharpener with .to()")
    return network


def _names(gives: str) -> str:
    """Return the names of the networks of crispseg that give embeddings, scores or a boundary."""
    return " or ".join(name for name, network in NETWORKS.items() if network.gives == gives)


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
