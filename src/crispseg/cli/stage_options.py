"""The options that choose the stages between scores and result: a cue with its filter, and a dense CRF."""

from argparse import _ArgumentGroup
from pathlib import Path

from crispseg.cli.arguments import CommandParser, add_device_option
from crispseg.cues import CUES
from crispseg.inference.crf import PRESETS
from crispseg.pretrained import DEFAULT_WINDOW
from crispseg.scores import UPSAMPLINGS


def add_stage_options(parser: CommandParser) -> None:
    """Options that choose the cue, the filter and the CRF."""
    add_window_options(parser)
    add_filter_options(parser)
    add_cue_options(parser)
    parser.add_argument(
        "--crf",
        metavar="PRESET|NUMBERS",
        help="infer a dense CRF after the filter, with the parameters of a network by its name "
        f"({', '.join(PRESETS)}), or with five numbers and commas between them: weight, pixels and colours of the "
        "bilateral Gaussian, weight and pixels of the spatial one",
    )


def add_filter_options(parser: CommandParser) -> None:
    """Options that choose the filter."""
    group = parser.add_argument_group("filter")
    group.add_argument(
        "--hardness",
        type=float,
        help=f"λ, above 0: larger mixes fewer neighbours (default: {_defaults('default_hardness')})",
    )
    group.add_argument(
        "--passes",
        type=int,
        help=f"how many times the filter is applied (default: {_defaults('default_passes')})",
    )
    group.add_argument(
        "--upsampling",
        choices=UPSAMPLINGS,
        help="of scores of half the image's size or less: joint spreads them over the pixels that belong with them, "
        "where the cue compares embeddings; bilinear does not look at the image (default: joint)",
    )
    group.add_argument(
        "--guard",
        type=float,
        help="keep thin things: how far a label is kept from a pixel that it would win only because it is common "
        "around it; above 0 and up to 1, such as 0.7 (default: no guard)",
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
    group = add_cue_kind_options(parser)
    add_precision_option(group)
    group.add_argument(
        "--boundaries",
        type=Path,
        metavar="FILE|FOLDER",
        help="for --cue contour: boundary map of the one image, or a folder with a file of the same name for each "
        "image; greyscale .png, or .npy in [0, 1], at any resolution",
    )
    add_device_option(parser)


def add_precision_option(group: _ArgumentGroup) -> None:
    """What the embedding is computed in."""
    group.add_argument(
        "--precision",
        choices=("float32", "bfloat16"),
        help="for --cue learned: of the embedding; bfloat16 is twice as fast where the processor has it, and hardly "
        "less accurate (default: float32)",
    )


def add_cue_kind_options(parser: CommandParser) -> _ArgumentGroup:
    """Options that choose the cue."""
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
        metavar="NAME|FILE|FOLDER",
        help="for --cue learned: an embedding that ships, narrow or wide, or a safetensors file that `crispseg train` "
        "wrote; or a whole sharpener: a folder of save_pretrained, or OWNER/NAME on a hub (default: narrow)",
    )
    group.add_argument(
        "--norm", type=int, choices=(1, 2), help="norm of the distance (default: 1 for learned and rgb, 2 for soft)"
    )
    return group
