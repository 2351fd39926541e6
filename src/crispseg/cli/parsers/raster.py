"""The options of `crispseg raster`."""

from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.shared_options import add_device_option, add_memory_option, add_range_option
from crispseg.cli.parsers.stage_options import add_sharpener_options
from crispseg.defaults import POLYGON_TOLERANCE

DESCRIPTION = """\
Make the segmentation of a GeoTIFF or another raster of any size crisp, within a given memory.

Image, prediction and result are read and written in parts. The result is the same as for the whole image at once: each
part is computed with all surrounding pixels that it depends on. Windows that compare scores more than the image, such
as 5@64 of the default, are left out unless you give --window: they would make every part much larger.

Red, green and blue are the bands with these tags, or else the first three; a single band is greyscale. The prediction
is a raster of any resolution: one band of scores for each class, or one band of labels. If its georeference differs
from that of the image, it is warped. The label map gets the georeference of the image.

With --polygons each connected region becomes a polygon with the attributes class and name. Neighbours share their
edges, without gaps or overlaps. GeoPackage keeps the reference system; GeoJSON is always in longitude and latitude.

Pixels without a value in the image or in the prediction (nodata, masks, NaN) get no label and do not affect others.
Finished parts are kept in a hidden file beside the output, .NAME.parts, until the end, so that --resume can go on after
an interruption. It is compressed and about as large as the output.

Formats that refer to other files or addresses, such as VRT, are refused, and nothing is downloaded.

Exit codes: 0, all is written; 2, an error ended the run; 130, it was interrupted.

Needs: pip install 'crispseg[raster]'"""

EXAMPLES = """\
  crispseg raster field.tif --predictions field_scores.tif --output field_labels.tif
  crispseg raster field.tif --predictions field_scores.tif --output field_labels.tif --memory 8GiB --passes 7
  crispseg raster field.tif --predictions field_scores.tif --output field_labels.tif --polygons field.gpkg
  crispseg raster field.tif --predictions field_scores.tif --output field_labels.tif --resume
  crispseg raster s2.tif --bands 4,3,2 --range 0,3000 --predictions labels.tif --output crisp.tif"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("raster", DESCRIPTION, EXAMPLES)
    parser.add_argument("image", type=Path, metavar="IMAGE", help="the image, a raster with any bands")
    parser.add_argument("--predictions", type=Path, required=True, metavar="FILE", help="raster of scores or labels")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="GeoTIFF of labels to write")
    add_memory_option(parser)
    parser.add_argument(
        "--scale",
        type=float,
        metavar="NUMBER",
        help="for --scores probabilities stored as whole numbers: the number that means 1, such as 255 or 10000",
    )
    parser.add_argument(
        "--bands",
        metavar="R,G,B",
        help="the bands of the image to use as red, green and blue, counted from 1, or one band for greyscale "
        "(default: as tagged, or the first three)",
    )
    add_range_option(parser)
    parser.add_argument(
        "--same-extent",
        action="store_true",
        help="the prediction covers the image exactly; ignore the georeferences of both",
    )
    parser.add_argument(
        "--resume",
        action="store_true",
        help="go on with an interrupted run of the same files and options; --memory, --polygons and --tolerance may "
        "differ",
    )
    _add_polygon_options(parser)
    window = (
        "that of the cue or its weights, see crispseg info, without windows that compare scores more than the image"
    )
    add_sharpener_options(parser, defaults={"window": window})
    add_device_option(parser)
    return parser


def _add_polygon_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("polygons")
    group.add_argument(
        "--polygons", type=Path, metavar="FILE", help="GeoPackage (.gpkg) or GeoJSON (.geojson) to write regions to"
    )
    group.add_argument(
        "--tolerance",
        type=float,
        metavar="PIXELS",
        help=f"how coarse polygons may be; 0 follows every pixel (default: {POLYGON_TOLERANCE:g})",
    )
    group.add_argument(
        "--class-names",
        type=Path,
        metavar="FILE",
        help="names of the classes, for label map and polygons: one per line, class 0 first; or JSON, a list or "
        '{"0": "road", …} (default: those in the prediction)',
    )
