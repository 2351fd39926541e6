"""The options of each figure that `crispseg figure` draws."""

from argparse import ArgumentTypeError
from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.data_options import add_data_options, add_dataset_options
from crispseg.cli.parsers.shared_options import add_device_option, add_suffix_options
from crispseg.cli.parsers.stage_options import add_boundaries_option, add_fields, add_stage_options, add_weights_options
from crispseg.defaults import FIGURE_PATCH, MASKED_PIXELS
from crispseg.window import Windows

_MASK = 21
"""Side of the windows whose masks are drawn: large enough to look at."""


def add_boundary_options(parser: CommandParser) -> None:
    """Add the options of `crispseg figure boundary`."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="image file")
    parser.add_argument("--predictions", type=Path, required=True, metavar="FILE", help="its label map or scores")
    parser.add_argument(
        "--middle",
        type=_pixel,
        metavar="x,y",
        help="middle of the magnified part, from the upper left corner (default: where most changed)",
    )
    add_stage_options(parser)


def add_embedding_options(parser: CommandParser) -> None:
    """Add the options of `crispseg figure embedding`."""
    parser.add_argument("image", type=Path, metavar="IMAGE", help="image file")
    parser.add_argument(
        "--pixels",
        nargs="+",
        type=_pixel,
        default=[],
        metavar="x,y",
        help="pixels to show, from the upper left corner (default: chosen where windows are divided most clearly)",
    )
    parser.add_argument(
        "--count",
        type=int,
        default=MASKED_PIXELS,
        help="number of pixels to choose where none are named (default: %(default)s)",
    )
    parser.add_argument(
        "--patch",
        type=int,
        help=f"side of the patches in pixels, odd (default: the window's, or {FIGURE_PATCH} with several passes)",
    )
    group = parser.add_argument_group("mask")
    add_fields(group, ("cue", "window", "passes", "hardness"))
    add_weights_options(group)
    add_device_option(parser)
    parser.set_defaults(window=Windows.of(_MASK), passes=1, hardness=None)


def add_comparison_options(parser: CommandParser) -> None:
    """Add the options of `crispseg figure comparison`."""
    add_data_options(parser)
    parser.add_argument(
        "--names", nargs="+", metavar="NAME", help="images by their paths below the folder, without ending"
    )
    parser.add_argument(
        "--count",
        type=int,
        default=3,
        help="images where none are named, evenly over the folder (default: %(default)s)",
    )
    add_stage_options(parser)


def add_reliability_options(parser: CommandParser) -> None:
    """Add the options of `crispseg figure reliability`."""
    add_dataset_options(parser)
    add_suffix_options(parser, "image", "label", "boundary")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th image (default: all)")
    parser.add_argument(
        "--farthest",
        type=float,
        metavar="DISTANCE",
        help="end of the axis; larger distances are counted there (default: the cue's own)",
    )
    group = parser.add_argument_group("distances")
    add_fields(group, ("cue", "window"))
    add_weights_options(group)
    add_boundaries_option(parser)
    add_device_option(parser)


def add_passes_options(parser: CommandParser) -> None:
    """Add the options of `crispseg figure passes`."""
    parser.add_argument("surface", type=Path, metavar="SURFACE", help="surface.json that `crispseg table` wrote")


def add_speed_options(parser: CommandParser) -> None:
    """Add the options of `crispseg figure speed`."""
    parser.add_argument("table", type=Path, metavar="TABLE", help="table.json that `crispseg table` wrote")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="rows to draw (default: all but the oracle's)")


def _pixel(text: str) -> tuple[int, int]:
    try:
        x, y = map(int, text.split(","))
    except ValueError as error:
        raise ArgumentTypeError(f"pixel {text!r}: expected two whole numbers with a comma, x,y") from error
    return x, y
