"""The options of `crispseg table`."""

from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.data_options import add_absent_classes_option, add_data_options, add_mean_over_option
from crispseg.cli.parsers.shared_options import add_device_option
from crispseg.cli.parsers.stage_options import add_prediction_options
from crispseg.defaults import TUNE_EVERY

DESCRIPTION = """\
Compare methods: the paper's two tables on your own images and scores, with the methods that people use today.

The parameters of every method are searched in the same way on some of the images. The best are measured on the others:
accuracy with the gain in points and its 95 % interval, milliseconds and memory. Each row is written as soon as it is
measured, and --resume continues a run that was stopped. OUTPUT gets
  table.md, table.tex, table.json   the table; the JSON has every metric, every setting that was tried and its gains
  surface.json                      gains of the learned cue by window and passes (with --surface)
  rows/                             the counts of each image, for each row

Rows whose package is not installed are left out, and so are rows that need boundary maps if you give none; the table
says so. To install the packages: pip install 'crispseg[peers,crf]'"""

EXAMPLES = """\
  crispseg table --images val --labels val_labels --predictions scores --output table
  crispseg table --images val --labels val_labels --predictions scores --boundaries edges --output table --resume
  crispseg table --images val --labels val_labels --predictions scores --output t --rows PAMR 'dense CRF'"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("table", DESCRIPTION, EXAMPLES)
    add_data_options(parser)
    add_prediction_options(parser)
    parser.add_argument(
        "--boundaries", type=Path, metavar="FOLDER", help="boundary maps, for the rows that compare contours"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder to write to")
    parser.add_argument(
        "--rows",
        nargs="+",
        metavar="ROW",
        help="rows to measure, by their names in table.md (default: all); an unknown name lists all names",
    )
    parser.add_argument(
        "--tune-every",
        type=int,
        metavar="N",
        default=TUNE_EVERY,
        help="search parameters on every N-th image, and report on the others (default: %(default)s)",
    )
    parser.add_argument(
        "--tune-images",
        type=int,
        metavar="N",
        help="search on at most N of these images, spread evenly; the rest of them are not reported (default: all)",
    )
    parser.add_argument(
        "--every",
        type=int,
        metavar="N",
        default=1,
        help="take every N-th image to tune on and every N-th to report, for a quick look (default: all)",
    )
    parser.add_argument(
        "--weights",
        default="best",
        metavar="NAME|FILE",
        help="weights of the embedding in the paper's rows, as for sharpen (default: %(default)s)",
    )
    parser.add_argument("--surface", action="store_true", help="also measure every window with every number of passes")
    parser.add_argument("--resume", action="store_true", help="keep the rows that OUTPUT already holds")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="number of processes that share the cores, each with an image of its own (default: 0, this process alone)",
    )
    add_mean_over_option(parser)
    add_absent_classes_option(parser)
    add_device_option(parser)
    return parser
