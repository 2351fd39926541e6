"""The stages between scores and result, and the options that choose them: a cue with its filter, and a dense CRF."""

import importlib
from argparse import Namespace
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from crispseg.cli.arguments import CommandParser, add_device_option, choose_device
from crispseg.cues import CUES, ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.errors import InputError
from crispseg.inference.crf import PRESETS, DenseCRF
from crispseg.inference.sharpener import DEFAULT_WINDOW, SHIPPED_WEIGHTS, Sharpener, weights_path
from crispseg.models.embedding_net import load_embedding_net
from crispseg.processor import warn_without_bfloat16
from crispseg.window import Window


@dataclass(frozen=True)
class Stages:
    """What scores go through."""

    sharpener: Sharpener | None
    crf: DenseCRF | None


def add_stage_options(parser: CommandParser) -> None:
    """Options that choose the cue, the filter and the CRF."""
    add_window_options(parser)
    group = parser.add_argument_group("filter")
    group.add_argument(
        "--hardness",
        type=float,
        help=f"λ, above 0: larger mixes fewer neighbours (default: {_defaults('default_hardness')})",
    )
    group.add_argument(
        "--iterations",
        type=int,
        help=f"how many times the filter is applied (default: {_defaults('default_iterations')})",
    )
    group.add_argument(
        "--guard",
        type=float,
        help="keep a label that the filter would change where its probability was this or more, such as 0.95 (default: "
        "change any)",
    )
    add_cue_options(parser)
    parser.add_argument(
        "--crf",
        metavar="PRESET|NUMBERS",
        help="infer a dense CRF after the filter, with the parameters of a network by its name "
        f"({', '.join(PRESETS)}), or with five numbers and commas between them: weight, pixels and colours of the "
        "bilateral Gaussian, weight and pixels of the spatial one",
    )


def add_window_options(parser: CommandParser) -> None:
    """Options that choose the window."""
    group = parser.add_argument_group("window")
    group.add_argument(
        "--window",
        type=int,
        help="side of the window, odd: how far a pixel looks for others that belong with it "
        f"(default: {DEFAULT_WINDOW.size})",
    )
    group.add_argument(
        "--dilation",
        type=int,
        help=f"distance in pixels from one neighbour to the next (default: {DEFAULT_WINDOW.dilation})",
    )


def _defaults(attribute: str) -> str:
    return ", ".join(f"{name} {getattr(cue, attribute):g}" for name, cue in CUES.items())


def add_cue_options(parser: CommandParser) -> None:
    """Options that choose the cue and where it runs."""
    group = parser.add_argument_group("cue")
    group.add_argument(
        "--cue",
        choices=(*CUES, "none"),
        default="learned",
        help="what tells which pixels belong together: an embedding network, colours, soft segmentations made of "
        "colours, or boundaries; none leaves the scores as they are, for a CRF alone (default: %(default)s)",
    )
    group.add_argument(
        "--weights",
        metavar="NAME|FILE",
        help="for --cue learned: an embedding that ships, narrow or wide, or a safetensors file that `crispseg train` "
        "wrote (default: narrow)",
    )
    group.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="for --cue learned: of the embedding; bfloat16 is twice as fast where the processor has it, and hardly "
        "less accurate (default: float32)",
    )
    group.add_argument(
        "--norm", type=int, choices=(1, 2), help="norm of the distance (default: 1 for learned and rgb, 2 for soft)"
    )
    group.add_argument(
        "--boundaries",
        type=Path,
        metavar="FILE|FOLDER",
        help="for --cue contour: boundary map of the one image, or a folder with a file of the same name for each "
        "image; greyscale .png, or .npy in [0, 1], at any resolution",
    )
    add_device_option(parser)


def build_stages(options: Namespace) -> Stages:
    """The stages that the options describe, on their device.

    Raises:
        InputError: If options contradict each other or one makes no sense.
    """
    crf = None if options.crf is None else DenseCRF.parse(options.crf)
    if crf is not None:
        require_crf()
    cue = build_cue(options)
    if cue is None:
        _refuse_with_cue(options, "none", ("window", "dilation", "hardness", "iterations", "guard", "device"))
        if crf is None:
            raise InputError("--cue none changes nothing by itself; add --crf")
        return Stages(None, crf)
    sharpener = Sharpener(
        cue,
        window=build_window(options),
        hardness=options.hardness,
        iterations=options.iterations,
        guard=options.guard,
    )
    return Stages(sharpener.eval().to(choose_device(options.device)), crf)


def build_cue(options: Namespace) -> Cue | None:
    """The cue that the options describe; None for none.

    Raises:
        InputError: If an option does not go with the cue, or its weights cannot be read.
    """
    norm = {} if options.norm is None else {"norm": options.norm}
    match options.cue:
        case "learned":
            _refuse_with_cue(options, "learned", ("boundaries",))
            network = load_embedding_net(weights_path(options.weights or SHIPPED_WEIGHTS[0]))
            if options.precision == "bfloat16" and choose_device(options.device).type == "cpu":
                warn_without_bfloat16()
            return LearnedCue(network.to(getattr(torch, options.precision or "float32")), **norm)
        case "rgb":
            _refuse_with_cue(options, "rgb", ("weights", "precision", "boundaries"))
            return RGBCue(**norm)
        case "soft":
            _refuse_with_cue(options, "soft", ("weights", "precision", "boundaries"))
            return SoftSegmentationCue(**norm)
        case "contour":
            _refuse_with_cue(options, "contour", ("weights", "precision", "norm"))
            if options.boundaries is None:
                raise InputError("--cue contour needs boundary maps; add --boundaries")
            return ContourCue()
    _refuse_with_cue(options, "none", ("weights", "precision", "norm", "boundaries"))
    return None


def build_window(options: Namespace) -> Window:
    """The window that the options describe."""
    size = DEFAULT_WINDOW.size if options.window is None else options.window
    return Window(size, DEFAULT_WINDOW.dilation if options.dilation is None else options.dilation)


def _refuse_with_cue(options: Namespace, cue: str, names: tuple[str, ...]) -> None:
    for name in names:
        if getattr(options, name) is not None:
            raise InputError(f"--{name} does not go with --cue {cue}; leave one of them out")


def require_crf() -> None:
    """Fail now where the CRF's package is missing, and not after the first image."""
    importlib.import_module("pydensecrf")


def describe_stages(options: Namespace, stages: Stages) -> dict[str, Any]:
    """What was chosen, for a report."""
    settings: dict[str, Any] = {"cue": options.cue}
    sharpener = stages.sharpener
    if sharpener is not None:
        settings |= {
            "window": sharpener.window.size,
            "dilation": sharpener.window.dilation,
            "hardness": sharpener.cue.default_hardness if options.hardness is None else options.hardness,
            "iterations": sharpener.filter.iterations,
        }
        if sharpener.guard is not None:
            settings["guard"] = sharpener.guard
        if options.cue == "contour":
            settings["boundaries"] = str(options.boundaries)
        else:
            settings["norm"] = sharpener.cue.norm
    if options.cue == "learned":
        settings["weights"] = options.weights or SHIPPED_WEIGHTS[0]
        settings["precision"] = options.precision or "float32"
    if stages.crf is not None:
        settings["crf"] = asdict(stages.crf)
    return settings
