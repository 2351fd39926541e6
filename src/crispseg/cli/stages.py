"""The stages between scores and result, built from the options: a cue with its filter, and a dense CRF."""

import importlib
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from crispseg.bfloat16 import warn_without_bfloat16
from crispseg.cli.arguments import choose_device
from crispseg.cues import ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.errors import InputError
from crispseg.extras import optional_packages
from crispseg.grid import CENTRES
from crispseg.inference.crf import DenseCRF
from crispseg.inference.sharpener import Sharpener
from crispseg.models.embedding_net import load_embedding_net
from crispseg.pretrained import (
    DEFAULT_WINDOW,
    SHIPPED_WEIGHTS,
    Pretrained,
    holds_sharpener,
    load_pretrained,
    weights_path,
)
from crispseg.pretrained.cue_config import kind_of
from crispseg.pretrained.folder import shortest
from crispseg.window import Window


@dataclass(frozen=True)
class Stages:
    """What scores go through."""

    sharpener: Sharpener | None
    crf: DenseCRF | None


def build_stages(options: Namespace) -> Stages:
    """The stages that the options describe, on their device.

    Raises:
        InputError: If options contradict each other or one makes no sense.
    """
    crf = None if options.crf is None else DenseCRF.parse(options.crf)
    if crf is not None:
        require_crf()
    chosen = choose_sharpener(options)
    if chosen is None:
        _refuse_with_cue(options, "none", _OF_THE_FILTER)
        if crf is None:
            raise InputError("--cue none changes nothing by itself; add --crf")
        return Stages(None, crf)
    _require_boundaries(options, chosen.cue)
    return Stages(build_placed_sharpener(options, chosen), crf)


def build_placed_sharpener(options: Namespace, chosen: Pretrained) -> Sharpener:
    """`build_sharpener`, on the device of the options, with a warning where that has no use for their precision."""
    device = choose_device(options.device)
    if options.precision == "bfloat16" and device.type == "cpu":
        warn_without_bfloat16()
    return build_sharpener(options, chosen).to(device)


def build_sharpener(options: Namespace, chosen: Pretrained) -> Sharpener:
    """The sharpener that was chosen, with the options that replace its own."""
    return Sharpener(
        chosen.cue,
        window=build_window(options, chosen.window),
        hardness=chosen.hardness if options.hardness is None else options.hardness,
        passes=chosen.passes if options.passes is None else options.passes,
        upsampling=chosen.upsampling if options.upsampling is None else options.upsampling,
        guard=chosen.guard if options.guard is None else options.guard,
        grid=chosen.grid if options.grid is None else options.grid,
    ).eval()


def build_cue(options: Namespace) -> Cue | None:
    """The cue of `choose_complete`; None for none."""
    chosen = choose_complete(options)
    return None if chosen is None else chosen.cue


def choose_complete(options: Namespace) -> Pretrained | None:
    """`choose_sharpener`, with the boundary maps that its cue needs.

    Raises:
        InputError: If there are none, or as there.
    """
    chosen = choose_sharpener(options)
    if chosen is not None:
        _require_boundaries(options, chosen.cue)
    return chosen


_OF_THE_FILTER = ("window", "dilation", "hardness", "passes", "upsampling", "guard", "device")
"""Options that have nothing to do where nothing is filtered."""

_REFUSED = {
    "learned": ("boundaries",),
    "rgb": ("weights", "precision", "boundaries"),
    "soft": ("weights", "precision", "boundaries"),
    "contour": ("weights", "precision", "norm"),
    "none": ("weights", "precision", "norm", "boundaries"),
}
"""Options that do not go with a cue."""


def choose_sharpener(options: Namespace) -> Pretrained | None:
    """The cue that the options describe, with what goes with it; None for none.

    Raises:
        InputError: If an option does not go with the cue, or its weights cannot be read.
    """
    if options.weights is not None and holds_sharpener(options.weights):
        chosen = load_pretrained(options.weights, norm=options.norm)
        kind = kind_of(chosen.cue)
        if options.cue not in ("learned", kind):
            raise InputError(f"--weights {options.weights} brings the cue {kind}; leave out --cue {options.cue}")
        _refuse_with_cue(options, kind, tuple(name for name in _REFUSED[kind] if name != "weights"))
        if options.precision is not None:
            chosen.cue.to(getattr(torch, options.precision))
        return chosen
    _refuse_with_cue(options, options.cue, _REFUSED[options.cue])
    if options.cue == "none":
        return None
    cue = _make_cue(options)
    return Pretrained(cue, DEFAULT_WINDOW, cue.default_hardness, cue.default_passes, "logits")


def _make_cue(options: Namespace) -> Cue:
    norm = {} if options.norm is None else {"norm": options.norm}
    match options.cue:
        case "rgb":
            return RGBCue(**norm)
        case "soft":
            return SoftSegmentationCue(**norm)
        case "contour":
            return ContourCue()
    network = load_embedding_net(weights_path(options.weights or SHIPPED_WEIGHTS[0]))
    return LearnedCue(network.to(getattr(torch, options.precision or "float32")), **norm)


def _require_boundaries(options: Namespace, cue: Cue) -> None:
    if isinstance(cue, ContourCue) and cue.detector is None and options.boundaries is None:
        raise InputError("--cue contour needs boundary maps; add --boundaries")


def files_of_weights(options: Namespace) -> list[Path]:
    """Return the files of the weights that the options name."""
    if options.weights is None:
        return []
    path = weights_path(options.weights)
    return sorted(path.iterdir()) if path.is_dir() else [path]


def build_window(options: Namespace, default: Window = DEFAULT_WINDOW) -> Window:
    """The window that the options describe."""
    size = default.size if options.window is None else options.window
    return Window(size, default.dilation if options.dilation is None else options.dilation)


def _refuse_with_cue(options: Namespace, cue: str, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(options, name) is not None:
            raise InputError(f"--{name} does not go with --cue {cue}; leave one of them out")


def require_crf() -> None:
    """Fail now where the CRF's package is missing, and not after the first image."""
    with optional_packages():
        importlib.import_module("pydensecrf")


def describe_stages(options: Namespace, stages: Stages) -> dict[str, Any]:
    """What was chosen, for a report."""
    sharpener = stages.sharpener
    settings: dict[str, Any] = {"cue": options.cue if sharpener is None else kind_of(sharpener.cue)}
    settings["grid"] = str(options.grid or CENTRES) if sharpener is None else str(sharpener.grid)
    if sharpener is not None:
        settings |= {
            "window": sharpener.window.size,
            "dilation": sharpener.window.dilation,
            "hardness": shortest(sharpener.hardness),
            "passes": sharpener.filter.passes,
            "upsampling": sharpener.upsampling,
        }
        if sharpener.guard is not None:
            settings["guard"] = sharpener.guard
        if isinstance(sharpener.cue, ContourCue):
            settings["boundaries"] = str(options.boundaries)
        else:
            settings["norm"] = sharpener.cue.norm
    if sharpener is not None and isinstance(sharpener.cue, LearnedCue):
        settings["weights"] = options.weights or SHIPPED_WEIGHTS[0]
        settings["precision"] = str(next(sharpener.cue.parameters()).dtype).removeprefix("torch.")
    if stages.crf is not None:
        settings["crf"] = asdict(stages.crf)
    return settings
