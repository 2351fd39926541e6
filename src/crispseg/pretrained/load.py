"""Load trained weights: by a name that ships with crispseg, or from a file, a folder or a repository on a hub."""

import difflib
from dataclasses import replace
from pathlib import Path

from torch import nn

from crispseg.config import SHIPPED_WEIGHTS, SharpenerConfig
from crispseg.cue_config import CueConfig
from crispseg.cues import Cue, make_cue, networks_of, traits_of
from crispseg.errors import InputError
from crispseg.models.state import load_metadata, shipped_path
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
        files = [str(weights) if one.weights else None for one in config.cue.single]
        config = replace(config, cue=config.cue.with_weights(files))
        return (made, config) if cue is None else _with_arguments(made, config, cue, weights)
    if revision is not None:
        raise InputError(f"weights {weights}: have no revision, because they are not on a hub; leave the revision out")
    config = SharpenerConfig(cue=assigned(cue or CueConfig(), str(weights)))
    return load_cue(config.cue), config


def assigned(cue: CueConfig, weights: str) -> CueConfig:
    """Return a cue with weights for its network.

    Args:
        cue: The cue.
        weights: A name or a path. If several parts have networks, it is for all of them, or holds one for each,
            separated by commas.

    Raises:
        InputError: If the cue has no network, or their number is neither 1 nor that of its networks.

    Example:
        >>> [one.weights for one in assigned(CueConfig.of("learned+rgb+learned"), "fast,best").single]
        ['fast', None, 'best']
    """
    takes = traits_of(cue).networks
    count = sum(takes)
    if not count:
        raise InputError(
            f"cue {cue.name!r} has no network; leave out the weights. In Python, call Sharpener(cue), with a cue such "
            "as crispseg.cues.RGBCue(), instead of from_pretrained"
        )
    texts = weights.split(",") if count > 1 else [weights]
    texts = texts * count if len(texts) == 1 else texts
    if len(texts) != count:
        raise InputError(
            f"weights {weights}: names {len(texts)}; expected one for all, or one for each of the {count} networks of "
            f"cue {cue.name!r}, separated by commas"
        )
    left = iter(texts)
    return cue.with_weights([next(left) if one else None for one in takes])


def load_cue(config: CueConfig) -> Cue:
    """Return the cue of a config, with its network loaded; a cue that needs weights uses shipped ones by default.

    Raises:
        InputError: If the weights do not exist, or an argument is not allowed.
    """
    traits_of(config)  # refuses parts that do not go together before their weights are read
    networks = [_load_network(one) for one in config.single]
    return make_cue(config, networks if config.parts else networks[0])


def _load_network(cue: CueConfig) -> nn.Module | None:
    kind: type[Cue] = CUES.named(cue.name)
    weights = cue.weights
    if weights is None and "weights" in kind.needs:
        weights = SHIPPED_WEIGHTS[0]
    if weights is None:
        return None
    path = weights_path(weights)
    network = load_network_of(cue, path)
    trained, norm = load_metadata(path).get("norm"), dict(cue.arguments).get("norm", 1)
    if trained is not None and trained != str(norm):
        raise InputError(
            f"weights {weights}: trained with norm {trained}, but cue {str(cue)!r} has norm {norm}; expected the same: "
            f"give the cue {cue.name}:norm={trained}"
        )
    return network


def _with_arguments(
    made: Cue, config: SharpenerConfig, cue: CueConfig, weights: str | Path
) -> tuple[Cue, SharpenerConfig]:
    """Return a saved cue with other arguments and weights of its parts, or with further parts beside it."""
    saved = {one.name: (one, network) for one, network in zip(config.cue.single, networks_of(made), strict=True)}
    takes = traits_of(cue).networks
    same = [one.name for one in cue.single] == [one.name for one in config.cue.single]
    added = not config.cue.parts and [
        one.name for one, takes_it in zip(cue.single, takes, strict=True) if takes_it
    ] == [config.cue.name]
    if not same and not added:
        raise InputError(
            f"cue is {cue.name!r}, but weights {weights} were saved with {config.cue.name!r}; leave the cue out"
        )
    nothing = CueConfig("none"), None
    pairs = list(zip(config.cue.single, networks_of(made), strict=True))
    before = pairs if same else [saved.get(one.name, nothing) for one in cue.single]
    merged = cue.with_single(_merged(old, new) for (old, _), new in zip(before, cue.single, strict=True))
    networks = [network for _, network in before]
    return make_cue(merged, networks if merged.parts else networks[0]), replace(config, cue=merged)


def _merged(old: CueConfig, new: CueConfig) -> CueConfig:
    """Return a config with its saved arguments, where no others are given, and its saved weights and precision."""
    if old.name != new.name:
        return new
    return replace(old, arguments=tuple({**dict(old.arguments), **dict(new.arguments)}.items()))
