"""`crispseg table`."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown

from crispseg.cli.arguments import (
    CommandParser,
    add_absent_classes_option,
    add_device_option,
    choose_device,
    print_remarks,
    progress_bar,
)
from crispseg.cli.data_options import add_data_options, read_data
from crispseg.cli.stage_options import add_prediction_options
from crispseg.cli.stages import files_of_weights
from crispseg.comparison import ROWS, measure_table
from crispseg.comparison.report import as_json, as_latex, as_markdown, lines_of
from crispseg.comparison.result import paths
from crispseg.comparison.rows import Choices
from crispseg.comparison.surface import surface
from crispseg.evaluation import remarks_on
from crispseg.process_memory import keep_freed
from crispseg.writing import refuse_inputs, write_text

_DESCRIPTION = """\
Measure methods beside each other: the paper's two tables on your own images and scores, with what people use today.

Every method's parameters are searched on some of the images, in the same way, and what was found is measured on the
others: accuracy with the points gained and their 95 % interval, milliseconds and memory. Rows are written as they are
known; a run that was stopped goes on with --resume. OUTPUT gets
  table.md, table.tex, table.json   the table; the JSON has every metric, every setting that was tried and its gains
  surface.json                      gains of the learned cue by window and passes, with --surface
  rows/                             what was counted in each image, row by row

Rows whose package is missing or that need boundary maps which are not given are left out, and the table says so:
pip install 'crispseg[peers,crf]' brings the packages."""

_EXAMPLES = """\
  crispseg table --images val --labels val_labels --predictions scores --output table
  crispseg table --images val --labels val_labels --predictions scores --boundaries edges --output table --resume
  crispseg table --images val --labels val_labels --predictions scores --output t --rows PAMR 'dense CRF'"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("table", _DESCRIPTION, _EXAMPLES)
    add_data_options(parser)
    add_prediction_options(parser)
    parser.add_argument("--boundaries", type=Path, metavar="FOLDER", help="boundary maps, for the rows of contours")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder to write to")
    parser.add_argument(
        "--rows",
        nargs="+",
        metavar="ROW",
        help=f"rows to measure (default: all): {'; '.join(row.name for row in ROWS)}",
    )
    parser.add_argument(
        "--tune-every",
        type=int,
        default=6,
        help="search parameters on every n-th image, report the others (default: %(default)s)",
    )
    parser.add_argument(
        "--weights",
        default="wide",
        metavar="NAME|FILE",
        help="of the embedding in the paper's rows, as for sharpen (default: %(default)s)",
    )
    parser.add_argument("--surface", action="store_true", help="try every window with every number of passes too")
    parser.add_argument("--resume", action="store_true", help="take the rows that OUTPUT holds already")
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="processes that tune and count, an image each, with a share of the cores (default: this one, with all)",
    )
    add_absent_classes_option(parser)
    add_device_option(parser)
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    choices = Choices(choose_device(options.device), options.weights)
    keep_freed()
    data = read_data(options, getattr(options, "scores", None))
    names = ("table.md", "table.tex", "table.json", "surface.json")
    rows = [path for row in ROWS for path in paths(options.output / "rows", row.name)]
    refuse_inputs([*(options.output / name for name in names), *rows], [*data.read_from, *files_of_weights(options)])
    with progress_bar() as progress:
        table = measure_table(
            data,
            options.output,
            choices,
            rows=options.rows,
            tune_every=options.tune_every,
            resume=options.resume,
            workers=options.workers,
            absent_classes=options.absent_classes,
            progress=progress,
        )
    lines = lines_of(table)
    text = as_markdown(table, lines)
    write_text(options.output / "table.md", text)
    write_text(options.output / "table.tex", as_latex(lines))
    write_text(options.output / "table.json", as_json(table, lines))
    Console().print(Markdown(text))
    print_remarks(remarks_on(lines[0].result.accuracy, table.class_names))
    if options.surface:
        with progress_bar() as progress:
            points = surface(data, choices, tune_every=options.tune_every, progress=progress)
        write_text(options.output / "surface.json", json.dumps({"rows": points}, indent=2) + "\n")
