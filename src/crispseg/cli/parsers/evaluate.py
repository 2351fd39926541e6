"""The options of `crispseg evaluate`."""

from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.data_options import add_absent_classes_option, add_data_options, add_mean_over_option
from crispseg.cli.parsers.shared_options import add_resume_option
from crispseg.cli.parsers.stage_options import add_stage_options

DESCRIPTION = """\
Measure what sharpening gains on labelled images.

Prints the IoU of every class before and after, over all pixels and in the trimap: the pixels within 4 pixels of a true
boundary. Then come mean IoU, pixel accuracy, trimaps of 1 to 16 pixels, Boundary IoU and boundary F, and with --thin
the clDice of thin classes. Each has its gain in points and a 95 % interval, from a bootstrap over images. Everything is
counted over the whole data set, without void pixels. If bands of void mark the outlines, as in PASCAL VOC, distances
are measured from the bands, and the heading says so."""

EXAMPLES = """\
  crispseg evaluate --images val --labels val_labels --predictions scores --json result.json
  crispseg evaluate --data voc2012 --root VOCdevkit/VOC2012 --predictions scores
  crispseg evaluate --images val --labels val_labels --predictions masks --void 11 --num-classes 11
  crispseg evaluate --images val --labels val_labels --predictions scores --cue contour --boundaries edges
  crispseg evaluate --images val --labels val_labels --predictions scores --cue none --crf MSc-LargeFOV
  crispseg evaluate --images val --labels val_labels --predictions scores --thin pole --skip-every 2
  crispseg evaluate --images val --labels val_labels --coarse-truth 8 --void 11 --num-classes 11"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("evaluate", DESCRIPTION, EXAMPLES)
    add_data_options(parser, coarse_truth=True)
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th image (default: all)")
    parser.add_argument(
        "--skip-every",
        type=int,
        metavar="N",
        help="leave out every N-th image, from the first on: those that `tune --every N` took (default: none)",
    )
    parser.add_argument(
        "--thin", nargs="+", metavar="CLASS", help="thin classes, by name or number: also measure their clDice"
    )
    add_mean_over_option(parser)
    add_absent_classes_option(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers to this file")
    add_resume_option(parser)
    add_stage_options(parser)
    return parser
