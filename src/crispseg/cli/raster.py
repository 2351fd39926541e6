"""`crispseg raster`."""

import time
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from crispseg.cli.arguments import CommandParser, add_device_option, add_range_option, progress_bar
from crispseg.cli.stage_options import add_sharpener_options
from crispseg.cli.stages import files_of_weights, require_sharpener, scores_of_files
from crispseg.data.intensity import parse_range
from crispseg.errors import InputError
from crispseg.inference.sharpener import Sharpener
from crispseg.jobs.rasters import sharpen_raster

_DESCRIPTION = """\
Make the segmentation of a raster of any size crisp, such as GeoTIFF, within a given memory.

Image, prediction and result are read and written in parts. The result is that of the whole image: a part is computed
with all pixels around it that it depends on.

The image has its colours in the bands that are tagged so, or in the first three. The prediction is a raster at any
resolution: a band of scores for each class, or one band of labels. Where it says that it lies otherwise than the image,
it is warped to it. The label map lies where the image does.

Pixels without a value, in the image or in the prediction (nodata, masks, NaN), have no label and no say in others.
Formats that name other files or addresses, such as VRT, are not read, and nothing is fetched.

Needs: pip install 'crispseg[raster]'"""

_EXAMPLES = """\
  crispseg raster field.tif --prediction field_scores.tif --output field_labels.tif
  crispseg raster field.tif --prediction field_scores.tif --output field_labels.tif --memory 8GiB --passes 7
  crispseg raster s2.tif --bands 4,3,2 --range 0,3000 --prediction labels.tif --output crisp.tif"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("raster", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="raster with red, green and blue")
    parser.add_argument("--prediction", type=Path, required=True, metavar="FILE", help="raster of scores or labels")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="GeoTIFF of labels to write")
    parser.add_argument(
        "--memory", default="2GiB", metavar="SIZE", help="what the process may hold, as 2GiB (default: %(default)s)"
    )
    parser.add_argument(
        "--scale",
        type=float,
        metavar="NUMBER",
        help="with --scores probabilities: what stands for 1 where they are whole numbers, as 255 or 10000",
    )
    parser.add_argument(
        "--bands",
        metavar="R,G,B",
        help="which bands of the image are red, green and blue, from 1 on (default: as tagged, or the first three)",
    )
    add_range_option(parser)
    parser.add_argument(
        "--same-extent",
        action="store_true",
        help="the prediction covers the image exactly, whatever either says of its place on the ground",
    )
    add_sharpener_options(parser)
    add_device_option(parser)
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
            scores=scores_of_files(options, sharpener),
            grid=sharpener.grid,
            scale=options.scale,
            bands=_bands(options.bands),
            value_range=parse_range(options.range),
            same_extent=options.same_extent,
            read=files_of_weights(options),
            done=lambda share: progress.update(task, completed=round(100 * share)),
        )
    print(f"{options.output}  {time.perf_counter() - start:.0f} s")


def _bands(text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    try:
        return tuple(map(int, text.split(",")))
    except ValueError as error:
        raise InputError(f"--bands {text!r}: expected the numbers of three bands, such as 3,2,1") from error


def _sharpener(options: Namespace) -> Sharpener:
    sharpener = require_sharpener(options, "leaves nothing to do")
    if sharpener.cue.takes_boundaries:
        raise InputError("a raster is sharpened by a cue of its colours: choose --cue learned, rgb or soft")
    return sharpener
