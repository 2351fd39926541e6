"""`crispseg boundaries`."""

import os
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from crispseg.cli.arguments import CommandParser, add_suffix_options, progress_bar, read_suffixes
from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.bsds500 import TRUTH_SUFFIXES
from crispseg.data.matching import find_files, match_files
from crispseg.evaluation import evaluate_boundaries
from crispseg.metrics.boundaries import MAX_DISTANCE, THRESHOLDS
from crispseg.writing import check_output_file, write_text

_DESCRIPTION = """\
Measure boundary maps with the benchmark of BSDS500.

Prints ODS (the best F at one threshold for all images), OIS (every image at its own best) and AP. At every threshold
the boundaries are thinned and matched one to one with those of each annotator, up to 0.75 % of the image's diagonal
apart. A boundary map is a greyscale PNG, white being a probability of 1, or a .npy array in [0, 1]; there must be one
for each ground truth file, of the size of its image."""

_EXAMPLES = """\
  crispseg boundaries --predictions maps --truth BSDS500/data/groundTruth/test --json result.json
  crispseg boundaries --predictions lines --truth groundTruth/val --thinned --thresholds 33"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("boundaries", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--predictions", type=Path, required=True, metavar="FOLDER", help="boundary maps")
    parser.add_argument(
        "--truth", type=Path, required=True, metavar="FOLDER", help="ground truth of BSDS500, .mat, of the same names"
    )
    parser.add_argument(
        "--thresholds",
        type=int,
        default=THRESHOLDS,
        help="how many; 33 take a third of the time (default: %(default)s)",
    )
    parser.add_argument(
        "--max-distance",
        type=float,
        default=MAX_DISTANCE,
        metavar="SHARE",
        help="how far matched pixels may lie apart, in diagonals of the image (default: %(default)s)",
    )
    parser.add_argument(
        "--thinned", action="store_true", help="the maps are lines already: do not smooth them and seek their maxima"
    )
    parser.add_argument(
        "--processes", type=int, default=os.cpu_count() or 1, help="images at a time (default: one for each processor)"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers and the curve there too")
    add_suffix_options(parser, "label", "boundary")
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    suffixes = read_suffixes(options)
    truths = find_files(options.truth, TRUTH_SUFFIXES, "ground truth", suffixes.label)
    maps = match_files(truths, options.predictions, BOUNDARY_SUFFIXES, "boundary map", suffixes.boundary)
    if options.json is not None:
        check_output_file(options.json, [*truths.values(), *maps])
    with progress_bar() as progress:
        report = evaluate_boundaries(
            maps,
            list(truths.values()),
            names=list(truths),
            thresholds=options.thresholds,
            max_distance=options.max_distance,
            thinned=options.thinned,
            processes=options.processes,
            progress=progress,
        )
    if options.json is not None:
        write_text(options.json, report.as_json())
    Console().print(report.table())
