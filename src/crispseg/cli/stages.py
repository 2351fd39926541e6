"""The stages between scores and result, built from the options: a sharpener, and a dense CRF."""

import importlib
from argparse import Namespace
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from crispseg.config import OF_PREDICTIONS, SHIPPED_WEIGHTS, SharpenerConfig
from crispseg.config import options as fields_of_config
from crispseg.cue_config import CueConfig
from crispseg.cues import Cue, networks_of, traits_of
from crispseg.devices import choose_device, warn_without_bfloat16
from crispseg.errors import InputError
from crispseg.extras import optional_packages
from crispseg.grid import CENTRES
from crispseg.inference.crf import DenseCRF
from crispseg.inference.one_image import default_kind
from crispseg.inference.sharpener import Sharpener
from crispseg.options import flag
from crispseg.pretrained import assigned, holds_sharpener, load_cue, load_pretrained, weights_path
from crispseg.registry import CUES

_FIELDS = tuple(name for name, _ in fields_of_config() if name != "cue")


@dataclass(frozen=True)
class Stages:
    """The stages that scores go through, in order."""

    sharpener: Sharpener | None
    crf: DenseCRF | None


def build_stages(options: Namespace) -> Stages:
    """Return the stages that the options describe, on their device.

    Raises:
        InputError: If options contradict each other or one makes no sense.
    """
    crf = None if options.crf is None else DenseCRF.parse(options.crf)
    if crf is not None:
        require_crf()
    sharpener = build_sharpener(options)
    if sharpener is None and crf is None:
        raise InputError("--cue none changes nothing by itself; add --crf")
    return Stages(sharpener, crf)


def build_sharpener(options: Namespace) -> Sharpener | None:
    """Return the sharpener that the options describe, on their device; None for `--cue none`.

    It starts from the folder that `--weights` names, or from the defaults; what was given replaces its fields.
    Fields of which several values were given, as `tune` takes them, stay as they are.

    Raises:
        InputError: If an option does not go with the cue, or weights cannot be read.
    """
    if getattr(options, "cue", CueConfig()) is None:
        given = [name for name in _FIELDS if hasattr(options, name) and name not in OF_PREDICTIONS]
        given += [name for name in ("device", "weights", "precision", "boundaries") if _said(options, name) is not None]
        if given:
            raise InputError(f"{flag(given[0])} does not go with --cue none; leave one of them out")
        return None
    cue, config = _load(options)
    _check_boundaries(options, cue)
    sharpener = Sharpener.of(cue, replace(config, **given_fields(options)))
    device = choose_device(_said(options, "device"))
    if sharpener.config.cue.precision == "bfloat16" and device.type == "cpu":
        warn_without_bfloat16()
    return sharpener.to(device)


def given_fields(options: Namespace) -> dict[str, Any]:
    """Return the fields of the config, other than the cue, of which one value was given."""
    given = {name: getattr(options, name) for name in _FIELDS if hasattr(options, name)}
    return {name: value for name, value in given.items() if not isinstance(value, list)}


def require_sharpener(options: Namespace, why: str) -> Sharpener:
    """Return the sharpener that the options describe.

    Args:
        options: What was given.
        why: The reason why the command needs a cue, for the message.

    Raises:
        InputError: If the options say --cue none, or as `build_sharpener` does.
    """
    sharpener = build_sharpener(options)
    if sharpener is None:
        raise InputError(f"--cue none {why}; choose a cue: {', '.join(CUES)}")
    return sharpener


def require_image_sharpener(options: Namespace) -> Sharpener:
    """Return the sharpener that the options describe, for a command that reads no boundary maps.

    Raises:
        InputError: If its cue needs boundary maps, or as `require_sharpener` does.
    """
    sharpener = require_sharpener(options, "leaves nothing to do")
    if sharpener.cue.takes_boundaries:
        raise InputError(
            f"--cue {sharpener.cue.name} needs boundary maps, which this command does not read; choose a cue that "
            "looks at the image alone, such as learned"
        )
    return sharpener


def scores_of_files(options: Namespace, sharpener: Sharpener | None) -> Any:  # noqa: ANN401 - a kind, or None
    """Return the kind of scores in files: the one that was given, or the one that the sharpener was saved for.

    None, for logits unless they look like masks of objects, where neither says another.
    """
    if hasattr(options, "scores"):
        return options.scores
    return default_kind(sharpener)


def _said(options: Namespace, name: str) -> Any:  # noqa: ANN401 - of any option
    return getattr(options, name, None)


def _load(options: Namespace) -> tuple[Cue, SharpenerConfig]:
    """Return the cue, and the config that the other options change: of a saved sharpener, or the defaults."""
    cue, weights, precision = (_said(options, name) for name in ("cue", "weights", "precision"))
    if weights is not None and holds_sharpener(weights):
        loaded, config = load_pretrained(weights, cue=cue)
        if precision is not None:
            has_network = any(network is not None for network in networks_of(loaded))
            _check_network(config.cue, has_network, precision=precision)
            loaded.to(getattr(torch, precision))
        return loaded, config
    found = cue or CueConfig()
    traits = traits_of(found)
    needed = "weights" in traits.needs or weights is not None
    networks = [takes and needed for takes in traits.networks]
    _check_network(found, any(networks), weights=weights, precision=precision)
    if any(networks):
        found = assigned(found, weights or SHIPPED_WEIGHTS[0])
        pairs = zip(found.single, networks, strict=True)
        found = found.with_single(replace(one, precision=precision or "float32") if own else one for one, own in pairs)
    return load_cue(found), SharpenerConfig(cue=found)


def _check_network(cue: CueConfig, has_network: bool, **given: str | None) -> None:
    """Refuse options of a network if the cue has none."""
    for name, value in given.items():
        if value is not None and not has_network:
            raise InputError(f"--{name} does not go with --cue {cue.name}, which has no network; leave one of them out")


def _check_boundaries(options: Namespace, cue: Cue) -> None:
    given, name = _said(options, "boundaries") is not None, cue.name
    if cue.takes_boundaries and not given and hasattr(options, "boundaries"):
        raise InputError(f"--cue {name} needs boundary maps; add --boundaries")
    if given and not cue.takes_boundaries:
        raise InputError(f"--boundaries does not go with --cue {name}; leave one of them out")


def files_of_weights(options: Namespace) -> list[Path]:
    """Return the files of the weights that the options name."""
    if options.weights is None:
        return []
    cue = _said(options, "cue")
    if cue is not None and cue.parts and not holds_sharpener(options.weights):
        paths = [weights_path(one.weights) for one in assigned(cue, options.weights).single if one.weights is not None]
        return list(dict.fromkeys(paths))
    path = Path(options.weights) if holds_sharpener(options.weights) else weights_path(options.weights)
    return sorted(path.iterdir()) if path.is_dir() else [path]


def require_crf() -> None:
    """Fail now where the CRF's package is missing, and not after the first image."""
    with optional_packages():
        importlib.import_module("pydensecrf")


def describe_stages(options: Namespace, stages: Stages) -> dict[str, Any]:
    """Return what was chosen, for a report."""
    sharpener = stages.sharpener
    if sharpener is None:
        settings: dict[str, Any] = {"cue": "none", "grid": str(getattr(options, "grid", CENTRES))}
    else:
        settings = dict(sharpener.config.texts())
    if _said(options, "boundaries") is not None:
        settings["boundaries"] = str(options.boundaries)
    if stages.crf is not None:
        settings["crf"] = asdict(stages.crf)
    return settings
