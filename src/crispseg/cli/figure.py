"""`crispseg figure`."""

from argparse import Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from matplotlib.figure import Figure

from crispseg.cli import figure_kinds as kinds
from crispseg.cli.arguments import CommandParser
from crispseg.figures import check_output, write_figure

_DESCRIPTION = """\
Draw a figure of the paper, or one that it lacks, as PNG or PDF by the ending of the file.

  boundary     one image before and after, and the part that changed most, magnified (the paper's figure 1)
  embedding    pixels with their patch, embedding, learned mask and colour mask (figure 2)
  comparison   images, truth, baseline, ours, and with --crf a dense CRF on both (figure 4)
  reliability  distances of pixels of one label and of two, and how often labels differ at a distance
  passes       what more passes and larger windows gain, from the surface.json of `crispseg table`
  speed        what methods gain against the time they take, from the table.json of `crispseg table`

All are as wide as a column of a paper or as its text, with fonts of 7 to 8 points, and the same input gives the same
file. `crispseg figure FIGURE --help` explains each."""

_EXAMPLES = """\
  crispseg figure boundary photo.png --prediction logits.npy --output boundary.pdf
  crispseg figure embedding photo.png --pixels 120,80 310,95 --output embedding.png
  crispseg figure comparison --images val --labels val_labels --predictions scores --names a b --output rows.pdf
  crispseg figure reliability --images val --labels val_labels --every 10 --output distances.pdf
  crispseg figure speed results/table.json --output speed.pdf"""


class _KindParser(CommandParser):
    """The parser of a figure, as argparse makes one for a word after the command."""

    def __init__(self, *, prog: str, description: str, examples: str, **_: object) -> None:
        super().__init__(prog.removeprefix("crispseg "), description, examples)


class _FigureKind(NamedTuple):
    """A figure: its help, its options, and how it comes from them."""

    description: str
    examples: str
    add_options: Callable[[CommandParser], None]
    draw: Callable[[Namespace], Figure]


_KINDS = {
    "boundary": _FigureKind(
        """\
Draw one image with its labels before and after sharpening, and the part that changed most, magnified.

The part has a quarter of the image's sides. Lines follow the edges of pixels between two labels.""",
        """\
  crispseg figure boundary photo.png --prediction logits.npy --output boundary.pdf
  crispseg figure boundary photo.png --prediction mask.png --cue rgb --output boundary.png""",
        kinds.add_boundary_options,
        kinds.boundary,
    ),
    "embedding": _FigureKind(
        """\
Draw what the filter mixes into single pixels, by the embedding and by colours.

For every pixel: the patch around it, the first three principal components of the embedding (over the whole image) as
red, green and blue, and two masks: how much each pixel contributes to the filtered score of the marked one, by the
embedding and by colours at their own hardness, both after the same passes. One pass is the weights of the window.""",
        """\
  crispseg figure embedding photo.png --output embedding.pdf
  crispseg figure embedding photo.png --pixels 120,80 310,95 --window 9 --passes 25 --output masks.png""",
        kinds.add_embedding_options,
        kinds.embedding,
    ),
    "comparison": _FigureKind(
        """\
Draw images with their true labels, the baseline, and ours; with --crf also a dense CRF on both.

Below every image is the part where ours and the baseline differ most, magnified. Void is grey.""",
        """\
  crispseg figure comparison --images val --labels val_labels --predictions scores --output rows.pdf
  crispseg figure comparison --images val --labels val_labels --predictions scores --crf MSc --output rows.png""",
        kinds.add_comparison_options,
        kinds.comparison,
    ),
    "reliability": _FigureKind(
        """\
Draw how far pixels of one label and of two lie apart by a cue, and how often labels differ at a distance.

Counts the pairs of every window of a labelled folder. For the learned cue the margins of its loss are marked.""",
        """\
  crispseg figure reliability --images val --labels val_labels --every 10 --output distances.pdf
  crispseg figure reliability --images val --labels val_labels --void 11 --cue rgb --output colours.png""",
        kinds.add_reliability_options,
        kinds.reliability,
    ),
    "passes": _FigureKind(
        """\
Draw the points that were gained against passes of the filter, a line for every window.

A window's line is that of the hardness with which it gained most.""",
        "  crispseg figure passes results/surface.json --output passes.pdf",
        kinds.add_passes_options,
        kinds.passes,
    ),
    "speed": _FigureKind(
        """\
Draw the points that methods gained against milliseconds for an image, with the 95 % interval of the gain.

A colour is a group of methods. Filled points lie on the Pareto front: nothing is faster and gains more.""",
        """\
  crispseg figure speed results/table.json --output speed.pdf
  crispseg figure speed results/table.json --rows baseline "dense CRF" "ours, tuned" --output speed.png""",
        kinds.add_speed_options,
        kinds.speed,
    ),
}


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("figure", _DESCRIPTION, _EXAMPLES)
    figures = parser.add_subparsers(dest="figure", metavar="FIGURE", required=True, parser_class=_KindParser)
    for name, kind in _KINDS.items():
        of_kind = figures.add_parser(name, description=kind.description, examples=kind.examples)
        kind.add_options(of_kind)
        of_kind.add_argument("--output", type=Path, required=True, metavar="FILE", help=".png or .pdf file to write")
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    check_output(options.output, kinds.files_read(options))
    write_figure(_KINDS[options.figure].draw(options), options.output)
    print(options.output)
