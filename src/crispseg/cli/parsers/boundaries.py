"""The options of `crispseg boundaries`."""

import os
from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.shared_options import add_resume_option, add_suffix_options
from crispseg.defaults import MAX_DISTANCE, THRESHOLDS

DESCRIPTION = f"""\
Measure boundary maps with the benchmark of BSDS500.

Prints ODS (the best F at one threshold for all images), OIS (the best F with a threshold for each image) and AP. At
every threshold the boundaries are thinned. Then their pixels are matched one to one with those of each annotator, up to
{100 * MAX_DISTANCE:g} % of the image's diagonal apart. A boundary map is a greyscale PNG, in which white is a
probability of 1, or a .npy array in [0, 1]. Each ground truth file needs one, of the size of its image."""

EXAMPLES = """\
  crispseg boundaries --predictions maps --truth BSDS500/data/groundTruth/test --json result.json
  crispseg boundaries --predictions lines --truth groundTruth/val --thinned --thresholds 33"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("boundaries", DESCRIPTION, EXAMPLES)
    parser.add_argument("--predictions", type=Path, required=True, metavar="FOLDER", help="boundary maps")
    parser.add_argument(
        "--truth", type=Path, required=True, metavar="FOLDER", help="ground truth of BSDS500, .mat, of the same names"
    )
    parser.add_argument(
        "--thresholds",
        type=int,
        default=THRESHOLDS,
        metavar="N",
        help="number of thresholds; 33 take a third of the time (default: %(default)s)",
    )
    parser.add_argument(
        "--max-distance",
        type=float,
        default=MAX_DISTANCE,
        metavar="SHARE",
        help="largest distance between matched pixels, as a share of the image's diagonal (default: %(default)s)",
    )
    parser.add_argument(
        "--thinned", action="store_true", help="the maps already hold thin lines: do not smooth or thin them"
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="number of processes that share the cores, each with an image of its own; 0 for this process alone "
        "(default: one for each core)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers and the curve to this file")
    add_resume_option(parser)
    add_suffix_options(parser, "label", "boundary")
    return parser
