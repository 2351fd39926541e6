"""Sharpeners in folders: what they are in `config.json`, what they learned in `model.safetensors`, and a model card."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from crispseg.checks import MOST_PASSES, check_choice, check_count, check_guard, check_positive
from crispseg.cues import Cue
from crispseg.errors import InputError, one_line
from crispseg.grid import CENTRES, Grid
from crispseg.models.saving import save_network
from crispseg.pretrained.cue_config import check_cue, describe_cue, load_cue_network, make_cue, network_of
from crispseg.pretrained.model_card import model_card
from crispseg.reading import read_json
from crispseg.scores import SCORES, UPSAMPLINGS, Scores, Upsampling
from crispseg.versions import installed_versions
from crispseg.window import Window
from crispseg.writing import make_folder, write_text

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "README.md"

_NAMES = ("crispseg_version", "cue", "window", "hardness", "passes", "scores")
_LATER = {"upsampling": "joint", "guard": None, "grid": "centres"}
"""Names that came later, with what they stood at before."""


@dataclass(frozen=True)
class Pretrained:
    """What makes a sharpener."""

    cue: Cue
    window: Window
    hardness: float
    passes: int
    scores: Scores
    upsampling: Upsampling = "joint"
    guard: float | None = None
    grid: Grid = CENTRES


def save_folder(folder: Path, sharpener: Pretrained, *, name: str, license: str | None) -> None:
    """Write a sharpener; each file is written whole or not at all, and other files of the folder stay.

    Args:
        folder: Is made where it does not exist.
        sharpener: Its cue is one of `crispseg.cues`, with a network of `crispseg.models` where it has one.
        name: By which the card tells how to load it.
        license: Of the weights, an identifier that the hub knows, such as "apache-2.0"; None where it is not said.

    Raises:
        InputError: If the cue or its network is one of your own, or the folder cannot be written to.
    """
    network = network_of(sharpener.cue)
    config = {
        "crispseg_version": _version(),
        "cue": describe_cue(sharpener.cue),
        "window": asdict(sharpener.window),
        "hardness": sharpener.hardness,
        "passes": sharpener.passes,
        "scores": sharpener.scores,
        "upsampling": sharpener.upsampling,
        "guard": sharpener.guard,
        "grid": str(sharpener.grid),
    }
    make_folder(folder)
    if network is not None:
        save_network(network, folder / WEIGHTS_FILE)
    write_text(folder / CARD_FILE, model_card(config, name=name, license=license))
    # Last, since what has no configuration is no sharpener.
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2) + "\n")


def load_folder(folder: Path) -> Pretrained:
    """Read what `save_folder` wrote.

    Raises:
        InputError: If a file is missing or is not what crispseg writes.
    """
    path = folder / CONFIG_FILE
    config = _read(path)
    with _explained(path):
        _check_names(config)
        config = _LATER | config
        window, cue = Window(**config["window"]), config["cue"]
        _check_number("hardness", config["hardness"])
        check_count("passes", config["passes"], MOST_PASSES)
        check_choice("scores", config["scores"], SCORES)
        check_choice("upsampling", config["upsampling"], UPSAMPLINGS)
        check_guard(config["guard"])
        grid = Grid.of(config["grid"])
        check_cue(cue)
    network = load_cue_network(cue, folder / WEIGHTS_FILE)
    with _explained(path):
        made = make_cue(cue, network)
    options = {name: config[name] for name in ("hardness", "passes", "scores", "upsampling", "guard")}
    return Pretrained(made, window, **options, grid=grid)


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # our own, and whatever Python says to values that make no sense
        raise InputError(
            f"configuration {path}: {one_line(error)}; expected a file that save_pretrained wrote"
        ) from error


def _check_names(config: Mapping[str, Any]) -> None:
    for name in _NAMES:
        if name not in config:
            raise InputError(f"lacks {name!r}")
    for name in config:
        if name not in _NAMES and name not in _LATER:
            raise InputError(f"{name!r} is unknown to crispseg {_version()}, a newer one may know it")


def _check_number(name: str, value: object) -> None:
    if not isinstance(value, int | float):
        raise InputError(f"{name} is {value!r}; expected a number")
    check_positive(name, value)


def shortest(value: Tensor) -> float:
    """The shortest number that is this float32.

    Example:
        >>> import torch
        >>> shortest(torch.tensor(7.3)), torch.tensor(7.3).item()
        (7.3, 7.300000190734863)
    """
    return float(str(value.float().numpy(force=True)))


def _version() -> str:
    return installed_versions(["crispseg"])["crispseg"]


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise InputError(f"weights {path.parent}: holds no {path.name}; expected a folder that save_pretrained wrote")
    config = read_json(path, "configuration", "expected a file that save_pretrained wrote")
    if not isinstance(config, dict):
        raise InputError(f"configuration {path}: holds {type(config).__name__}; expected names and values")
    return config
