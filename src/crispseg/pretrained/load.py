"""Load trained weights: by a name that ships with crispseg, or from a file, a folder or a repository on a hub."""

import difflib
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from crispseg.config import SHIPPED_WEIGHTS, SharpenerConfig
from crispseg.cue_config import CueConfig
from crispseg.cues import Cue, make_cue
from crispseg.errors import InputError
from crispseg.models.shipped import shipped_path
from crispseg.pretrained.folder import load_folder, load_network_of
from crispseg.pretrained.hub import download, names_repository
from crispseg.registry import CUES


def weights_path(weights: str | Path) -> Path:
    """Return the file of weights that ship, by their name; a path as it is.

    Raises:
        InputError: If a name without a folder or an ending is neither.
    """
    path = shipped_path(weights)
    if not path.exists() and len(path.parts) == 1 and not path.suffix:
        near = difflib.get_close_matches(str(weights), SHIPPED_WEIGHTS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(
            f"weights are {str(weights)!r}; expected {' or '.join(map(repr, SHIPPED_WEIGHTS))}, which ship, a "
            f"safetensors file, a folder of save_pretrained, or OWNER/NAME on a hub{hint}"
        )
    return path


def holds_sharpener(weights: str | Path) -> bool:
    """Return whether weights are a whole sharpener, in a folder or on a hub, and not those of a network alone."""
    return Path(weights).is_dir() or (isinstance(weights, str) and names_repository(weights))


def load_pretrained(
    weights: str | Path, *, cue: CueConfig | None = None, revision: str | None = None
) -> tuple[Cue, SharpenerConfig]:
    """Return the cue and the config of a pretrained sharpener.

    Args:
        weights: As in `Sharpener.from_pretrained`.
        cue: A cue whose arguments replace those of the saved cue of the same name. For the weights of a network alone,
            it is the whole cue.
        revision: A branch, tag or commit of a repository on a hub.

    Raises:
        InputError: If the weights do not exist, or the cue does not fit them.
    """
    if holds_sharpener(weights):
        folder = Path(weights) if Path(weights).is_dir() else download(str(weights), revision)
        made, config = load_folder(folder)
        config = replace(config, cue=replace(config.cue, weights=str(weights) if config.cue.weights else None))
        return (made, config) if cue is None else _with_arguments(made, config, cue, weights)
    if revision is not None:
        raise InputError(f"weights {weights}: have no revision, because they are not on a hub; leave the revision out")
    config = SharpenerConfig(cue=replace(cue or CueConfig(), weights=str(weights)))
    return load_cue(config.cue), config


def load_cue(config: CueConfig) -> Cue:
    """Return the cue of a config, with its network loaded; a cue that needs weights uses shipped ones by default.

    Raises:
        InputError: If the weights do not exist, or an argument is not allowed.
    """
    kind: type[Cue] = CUES.named(config.name)
    weights = config.weights
    if weights is None and "weights" in kind.needs:
        weights = SHIPPED_WEIGHTS[0]
    if weights is None:
        return make_cue(config)
    network = load_network_of(config.name, weights_path(weights))
    return make_cue(config, network.to(getattr(torch, config.precision)))


def _with_arguments(
    made: Cue, config: SharpenerConfig, cue: CueConfig, weights: str | Path
) -> tuple[Cue, SharpenerConfig]:
    if cue.name != config.cue.name:
        raise InputError(
            f"cue is {cue.name!r}, but weights {weights} were saved with {config.cue.name!r}; leave the cue out"
        )
    merged = replace(config.cue, arguments=tuple({**dict(config.cue.arguments), **dict(cue.arguments)}.items()))
    kind = type(made)
    network: nn.Module | None = None if kind.network_argument is None else getattr(made, kind.network_argument)
    return make_cue(merged, network), replace(config, cue=merged)
