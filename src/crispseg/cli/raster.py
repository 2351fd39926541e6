"""`crispseg raster`."""

import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from crispseg.cli.arguments import CommandParser, add_device_option, add_scores_option, progress_bar
from crispseg.cli.stages import (
    add_cue_kind_options,
    add_filter_options,
    add_precision_option,
    add_window_options,
    build_placed_sharpener,
    choose_sharpener,
)
from crispseg.cues import ContourCue
from crispseg.errors import InputError
from crispseg.inference.sharpen_raster import sharpen_raster
from crispseg.inference.sharpener import Sharpener

_DESCRIPTION = """\
Make the segmentation of a raster of any size crisp, such as GeoTIFF, within a given memory.

Image, prediction and result are read and written in parts. The result is that of the whole image: a part is computed
with all pixels around it that it depends on.

The first three bands of the image are red, green and blue. The prediction is a raster of the same ground at any
resolution: a band of scores for each class, or one band of labels. The label map lies where the image does.

Needs: pip install 'crispseg[raster]'"""

_EXAMPLES = """\
  crispseg raster field.tif --prediction field_scores.tif --output field_labels.tif
  crispseg raster field.tif --prediction field_scores.tif --output field_labels.tif --memory 8GiB --iterations 7"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("raster", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="raster with red, green and blue of 8 or 16 bits")
    parser.add_argument("--prediction", type=Path, required=True, metavar="FILE", help="raster of scores or labels")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="GeoTIFF of labels to write")
    parser.add_argument(
        "--memory", default="2GiB", metavar="SIZE", help="what the process may hold, as 2GiB (default: %(default)s)"
    )
    add_scores_option(parser)
    add_window_options(parser)
    add_filter_options(parser)
    add_precision_option(add_cue_kind_options(parser))
    add_device_option(parser)
    parser.set_defaults(boundaries=None)
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    sharpener = _sharpener(options)
    start = time.perf_counter()
    with progress_bar() as progress:
        task = progress.add_task("sharpening", total=100)
        sharpen_raster(
            sharpener,
            options.image,
            options.prediction,
            options.output,
            memory=options.memory,
            scores=options.scores,
            grid=options.grid,
            done=lambda share: progress.update(task, completed=round(100 * share)),
        )
    print(f"{options.output}  {time.perf_counter() - start:.0f} s")


def _sharpener(options: Namespace) -> Sharpener:
    chosen = choose_sharpener(options)
    if chosen is None or isinstance(chosen.cue, ContourCue):
        raise InputError("a raster is sharpened by a cue of its colours: choose --cue learned, rgb or soft")
    return build_placed_sharpener(options, chosen)
