"""The options of `crispseg figure`."""

from argparse import ArgumentTypeError
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.data_options import add_data_options, add_dataset_options
from crispseg.cli.parsers.shared_options import add_device_option, add_suffix_options
from crispseg.cli.parsers.stage_options import add_boundaries_option, add_fields, add_stage_options, add_weights_options
from crispseg.defaults import FIGURE_PATCH, MASKED_PIXELS
from crispseg.window import Windows

DESCRIPTION = """\
Draw a figure of the paper, or one of three others, as PNG or PDF, depending on the extension of the file.

  boundary     one image before and after, and the part that changed most, magnified (the paper's figure 1)
  embedding    pixels with their patch, embedding, learned mask and colour mask (figure 2)
  comparison   images, truth, baseline, ours, and with --crf a dense CRF on both (figure 4)
  reliability  distances between pixels of equal and of different labels, and how often labels differ at a distance
  passes       gains of more passes and larger windows, from the surface.json of `crispseg table`
  speed        gains of methods against their time, from the table.json of `crispseg table`

All are as wide as a column or the text of a paper, with fonts of 7 to 8 points. The same input gives the same file.
`crispseg figure FIGURE --help` explains each figure."""

EXAMPLES = """\
  crispseg figure boundary photo.png --predictions logits.npy --output boundary.pdf
  crispseg figure embedding photo.png --pixels 120,80 310,95 --output embedding.png
  crispseg figure comparison --images val --labels val_labels --predictions scores --names a b --output rows.pdf
  crispseg figure reliability --images val --labels val_labels --every 10 --output distances.pdf
  crispseg figure speed results/table.json --output speed.pdf"""


_MASK = 21
"""Side of the windows whose masks are drawn: large enough to look at."""


def _add_boundary_options(parser: CommandParser) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE", help="image file")
    parser.add_argument("--predictions", type=Path, required=True, metavar="FILE", help="its label map or scores")
    parser.add_argument(
        "--middle",
        type=_pixel,
        metavar="x,y",
        help="middle of the magnified part, from the upper left corner (default: where most changed)",
    )
    add_stage_options(parser)


def _add_embedding_options(parser: CommandParser) -> None:
    parser.add_argument("image", type=Path, metavar="IMAGE", help="image file")
    parser.add_argument(
        "--pixels",
        nargs="+",
        type=_pixel,
        default=[],
        metavar="x,y",
        help="pixels to show, from the upper left corner (default: those whose windows are divided most clearly)",
    )
    parser.add_argument(
        "--count",
        type=int,
        default=MASKED_PIXELS,
        metavar="N",
        help="number of pixels to choose if none are named (default: %(default)s)",
    )
    parser.add_argument(
        "--patch",
        type=int,
        metavar="PIXELS",
        help=f"side of the patches in pixels, odd (default: the window's, or {FIGURE_PATCH} with several passes)",
    )
    group = parser.add_argument_group("mask")
    add_fields(group, ("cue", "window", "passes", "hardness"))
    add_weights_options(group)
    add_device_option(parser)
    parser.set_defaults(window=Windows.of(_MASK), passes=1, hardness=None)


def _add_comparison_options(parser: CommandParser) -> None:
    add_data_options(parser)
    parser.add_argument(
        "--names", nargs="+", metavar="NAME", help="images by their paths below the folder, without extension"
    )
    parser.add_argument(
        "--count",
        type=int,
        default=3,
        metavar="N",
        help="number of images if none are named, evenly over the folder (default: %(default)s)",
    )
    add_stage_options(parser)


def _add_reliability_options(parser: CommandParser) -> None:
    add_dataset_options(parser)
    add_suffix_options(parser, "image", "label", "boundary")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th image (default: all)")
    parser.add_argument(
        "--farthest",
        type=float,
        metavar="DISTANCE",
        help="end of the axis, where larger distances are counted (default: the cue's own)",
    )
    group = parser.add_argument_group("distances")
    add_fields(group, ("cue", "window"))
    add_weights_options(group)
    add_boundaries_option(parser)
    add_device_option(parser)


def _add_passes_options(parser: CommandParser) -> None:
    parser.add_argument("surface", type=Path, metavar="SURFACE", help="surface.json that `crispseg table` wrote")


def _add_speed_options(parser: CommandParser) -> None:
    parser.add_argument("table", type=Path, metavar="TABLE", help="table.json that `crispseg table` wrote")
    parser.add_argument("--rows", nargs="+", metavar="NAME", help="rows to draw (default: all but the oracle's)")


def _pixel(text: str) -> tuple[int, int]:
    try:
        x, y = map(int, text.split(","))
    except ValueError as error:
        raise ArgumentTypeError(f"pixel {text!r}: expected two whole numbers with a comma, x,y") from error
    return x, y


class _KindParser(CommandParser):
    """The parser of a figure, as argparse makes one for a word after the command."""

    def __init__(self, *, prog: str, description: str, examples: str, **_: object) -> None:
        super().__init__(prog.removeprefix("crispseg "), description, examples)


class _Kind(NamedTuple):
    """A figure: its help, and what adds its options."""

    description: str
    examples: str
    add_options: Callable[[CommandParser], None]


_KINDS = {
    "boundary": _Kind(
        """\
Draw one image with its labels before and after sharpening, and the part that changed most, magnified.

The magnified part has a quarter of the image's width and height. Lines run between pixels of different labels.""",
        """\
  crispseg figure boundary photo.png --predictions logits.npy --output boundary.pdf
  crispseg figure boundary photo.png --predictions mask.png --cue rgb --output boundary.png""",
        _add_boundary_options,
    ),
    "embedding": _Kind(
        """\
Draw how much each pixel contributes to single pixels, by the embedding and by colours.

For every pixel it shows the patch around it, the first three principal components of the embedding (over the whole
image) as red, green and blue, and two masks: how much each pixel contributes to the filtered score of the marked pixel,
by the embedding, and by colours at their own hardness, after the same passes. After one pass a mask shows the weights
of the window.""",
        """\
  crispseg figure embedding photo.png --output embedding.pdf
  crispseg figure embedding photo.png --pixels 120,80 310,95 --window 9 --passes 25 --output masks.png""",
        _add_embedding_options,
    ),
    "comparison": _Kind(
        """\
Draw images with their true labels, the baseline, and ours; with --crf also a dense CRF on both.

Below every image is the part where ours and the baseline differ most, magnified. Void is grey.""",
        """\
  crispseg figure comparison --images val --labels val_labels --predictions scores --output rows.pdf
  crispseg figure comparison --images val --labels val_labels --predictions scores --crf MSc --output rows.png""",
        _add_comparison_options,
    ),
    "reliability": _Kind(
        """\
Draw the distances of a cue between pixels of equal and of different labels, and how often labels differ at a distance.

Counts the pairs of neighbours of all images. For the learned cue the margins of its loss are marked.""",
        """\
  crispseg figure reliability --images val --labels val_labels --every 10 --output distances.pdf
  crispseg figure reliability --images val --labels val_labels --void 11 --cue rgb --output colours.png""",
        _add_reliability_options,
    ),
    "passes": _Kind(
        """\
Draw the points gained against the passes of the filter, with a line for each window.

Each line is for the hardness at which the window gained most.""",
        "  crispseg figure passes results/surface.json --output passes.pdf",
        _add_passes_options,
    ),
    "speed": _Kind(
        """\
Draw the points that methods gained against milliseconds for each image, with the 95 % interval of the gain.

Each colour is a group of methods. Filled points lie on the Pareto front: no method is faster and gains more.""",
        """\
  crispseg figure speed results/table.json --output speed.pdf
  crispseg figure speed results/table.json --rows baseline "dense CRF" "ours, tuned" --output speed.png""",
        _add_speed_options,
    ),
}


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("figure", DESCRIPTION, EXAMPLES)
    figures = parser.add_subparsers(dest="figure", metavar="FIGURE", required=True, parser_class=_KindParser)
    for name, kind in _KINDS.items():
        of_kind = figures.add_parser(name, description=kind.description, examples=kind.examples)
        kind.add_options(of_kind)
        of_kind.add_argument("--output", type=Path, required=True, metavar="FILE", help=".png or .pdf file to write")
    return parser
