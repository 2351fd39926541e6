"""The options of `crispseg annotations`."""

from pathlib import Path

from crispseg.annotations.formats import FORMATS
from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.shared_options import add_device_option, add_memory_option, add_range_option
from crispseg.cli.parsers.stage_options import add_sharpener_options
from crispseg.defaults import (
    ANNOTATION_BAND,
    ANNOTATION_CERTAINTY,
    ANNOTATION_EVIDENCE,
    ANNOTATION_PASSES,
    ANNOTATION_WINDOW,
    POLYGON_TOLERANCE,
    REVIEWED,
)

DESCRIPTION = """\
Move the outlines of annotated objects to the boundaries that their images show.

Reads and writes
  coco      COCO JSON: polygons, and RLE compressed or not; crowds stay as they are
  cvat      CVAT XML "for images": polygons and masks
  labelme   labelme JSON, a file for each image: polygons and masks
  voc       a Pascal VOC folder: SegmentationObject and SegmentationClass
  yolo      YOLO segmentation, a .txt file for each image

An outline moves by --band pixels at most, and only where the image shows a boundary. Ids, categories, attributes and
the order stay. Everything else that does not change is written byte by byte as it was. Neighbours share their new
edges. Boxes, points, lines and crowds are kept. A faulty object stays as it is and is reported on standard error, and
so are all objects of a missing image.

The windows of the sharpener are 5@2,5 with 8 passes each unless you give --window: outlines are only a few pixels off.

Your files are not replaced unless you give --in-place. The output folder also gets .crispseg, which holds the new masks
for --resume and --decisions.

Exit codes: 0, all annotations were compared; 1, some had faults; 2, an error ended the run; 130, it was interrupted.

Needs: pip install 'crispseg[annotations]'"""

EXAMPLES = """\
  crispseg annotations labelme/ --images photos/ --dry-run
  crispseg annotations labelme/ --images photos/ --output cleaned --review review
  crispseg annotations labelme/ --images photos/ --output cleaned --decisions decisions.json
  crispseg annotations instances.json --images photos/ --output cleaned --memory 2GiB --resume
  crispseg annotations instances.json --images photos/ --output cleaned --as rle
  crispseg annotations labels/ --images photos/ --in-place --band 2"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("annotations", DESCRIPTION, EXAMPLES)
    parser.add_argument("annotations", type=Path, metavar="FILE|FOLDER", help="an annotation file, or a folder of them")
    parser.add_argument(
        "--images", type=Path, required=True, metavar="FOLDER", help="the images, in this folder or its subfolders"
    )
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--output", type=Path, metavar="FOLDER", help="folder to write to")
    where.add_argument(
        "--in-place", action="store_true", help="replace the annotation files, without a copy or a review"
    )
    where.add_argument("--dry-run", action="store_true", help="only say what would change")
    parser.add_argument("--format", choices=FORMATS, help="the format of the annotations (default: recognised)")
    parser.add_argument(
        "--class-names",
        type=Path,
        metavar="FILE",
        help="names of the classes, which yolo and voc only number; a number without a name is a fault",
    )
    add_range_option(parser)
    _add_mask_options(parser)
    _add_review_options(parser)
    add_memory_option(
        parser,
        ", such as 2GiB, which sets the size of the tiles in which an image is compared; the result is the same",
        otherwise="tiles of 1024 pixels",
    )
    parser.add_argument("--resume", action="store_true", help="use the results of an earlier run with the same output")
    parser.add_argument("--strict", action="store_true", help="stop at the first fault")
    add_sharpener_options(
        parser,
        without=("scores", "grid", "guard", "upsampling", "score_weight", "negligible"),
        defaults={
            "window": ANNOTATION_WINDOW,
            "passes": f"{ANNOTATION_PASSES}, or with --window that of the cue or its weights, see crispseg info",
        },
    )
    add_device_option(parser)
    return parser


def _add_mask_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("masks")
    group.add_argument(
        "--band",
        type=float,
        default=ANNOTATION_BAND,
        metavar="PIXELS",
        help="how far an outline may move (default: %(default)s)",
    )
    group.add_argument(
        "--certainty",
        type=float,
        default=ANNOTATION_CERTAINTY,
        metavar="NUMBER",
        help="a pixel changes sides from this probability on, 0.5 or more and below 1; a larger one changes less "
        "(default: %(default)s)",
    )
    group.add_argument(
        "--evidence",
        type=float,
        default=ANNOTATION_EVIDENCE,
        metavar="NUMBER",
        help="how much of that probability must be due to the image, 0 or more and below 1; a larger value changes "
        "less, and makes fewer masks worse (default: %(default)s)",
    )
    group.add_argument(
        "--tolerance",
        type=float,
        metavar="PIXELS",
        help=f"how coarse new polygons may be; 0 follows every pixel (default: {POLYGON_TOLERANCE:g})",
    )
    group.add_argument(
        "--as",
        dest="form",
        choices=("polygons", "rle"),
        help="write all masks of coco, labelme or cvat as polygons or as pixels (default: each as it was); no format "
        "is converted into another",
    )


def _add_review_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("review")
    group.add_argument(
        "--review",
        type=Path,
        metavar="FOLDER",
        help="write a page that shows the changes, the largest first; open FOLDER/index.html in a browser",
    )
    group.add_argument("--review-count", type=int, metavar="N", help=f"masks on that page (default: {REVIEWED})")
    group.add_argument(
        "--decisions",
        type=Path,
        metavar="FILE",
        help="the file that the page saved: rejected masks are written as they were; the other changes are those of "
        "the earlier run with the same output",
    )
