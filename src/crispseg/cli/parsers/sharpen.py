"""The options of `crispseg sharpen`."""

from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.shared_options import add_memory_option, add_range_option, add_suffix_options
from crispseg.cli.parsers.stage_options import add_stage_options
from crispseg.defaults import STEADY_PAST, STEADY_REACH

DESCRIPTION = """\
Make the segmentation of images crisp.

A prediction is the output of a segmentation network for an image, at any resolution:
  - a label map: an indexed or greyscale PNG, one label number per pixel;
  - scores of shape (classes, height, width): .npy, .npz with one array, or .safetensors with one tensor.
An image is turned upright by its EXIF data, and its prediction must be of the upright image.

Folders are searched with their subfolders; hidden files are ignored. NAME is the path of an image below the folder that
holds all images, without extension: bear/00000 for images/bear/00000.jpg. Its prediction has the same NAME below the
other folder, or only the last part of it. If the ends of names differ, state them: --image-suffix _leftImg8bit.

For each image, the output folder gets
  NAME.png                 the sharpened label map, with the palette of the prediction
  before_after/NAME.png    a picture: image, before, after, and the part that changed most (not with --no-pictures)
  scores/NAME.safetensors  the sharpened scores (with --save-scores)
and crispseg-settings.json, which holds the options that made them.

With --steady the images of a folder are the frames of a clip, in the order of the numbers in their names: frame2 comes
before frame10. A frame that fails is left out of its clip. --resume sharpens a clip with a missing frame again from its
first frame. A CRF runs after --steady. --steady cannot be used with --memory, --ray, or cues that compare boundaries.

If one of several images cannot be read or does not fit its prediction, it is reported on standard error and skipped.
Exit codes: 0, all images are sharpened, now or before; 1, some failed; 2, an error ended the run, such as a wrong
option, a full disk, or a bad file (with --strict or a single image); 130, it was interrupted."""

EXAMPLES = """\
  crispseg sharpen photo.jpg --predictions mask.png --output out
  crispseg sharpen photo.jpg --predictions logits.npy --output out --save-scores
  crispseg sharpen images/ --predictions probabilities/ --scores probabilities --output out
  crispseg sharpen images/ --predictions logits/ --cue contour --boundaries edges/ --output out
  crispseg sharpen 'images/**/*.jpg' --predictions logits/ --output out --no-pictures --resume
  crispseg sharpen 'clips/**/*.png' --predictions logits/ --output out --no-pictures --steady
  crispseg sharpen /shared/images --predictions /shared/logits --output /shared/out --ray"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("sharpen", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGE",
        help="image files, folders, or patterns in quotes, such as 'images/*.jpg'",
    )
    parser.add_argument(
        "--predictions",
        type=Path,
        required=True,
        metavar="FILE|FOLDER",
        help="the prediction for a single image; or a folder, or a pattern in quotes, with a file of the same name for "
        "each image",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder to write to")
    add_range_option(parser)
    parser.add_argument("--save-scores", action="store_true", help="also write the sharpened scores")
    add_memory_option(
        parser,
        " besides the sharpened scores, such as 2GiB: an image is sharpened in tiles, with the same result; for "
        "rasters larger than memory, see crispseg raster",
        otherwise="the whole image at once",
    )
    parser.add_argument("--no-pictures", action="store_true", help="leave out the pictures before and after")
    _add_run_options(parser)
    _add_video_options(parser)
    add_suffix_options(parser, "image", "prediction", "boundary")
    add_stage_options(parser)
    return parser


def _add_run_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("many images")
    group.add_argument(
        "--resume",
        action="store_true",
        help="skip images whose output exists, was made with the same options, and is not older than its inputs",
    )
    group.add_argument("--strict", action="store_true", help="stop at the first bad file")
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="number of processes that read files ahead, 0 for none (default: 2, or none for a few images); with "
        "--ray, number of workers (default: one for each GPU of the cluster, or for each CPU)",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="ADDRESS",
        help="run on a Ray cluster whose machines see the files under the same paths: auto (the default), the cluster "
        "of this machine; local, a new cluster on this machine for this run; or HOST:PORT",
    )


def _add_video_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("videos")
    group.add_argument(
        "--steady",
        action="store_true",
        help="reduce flicker: take the images of a folder as the frames of a clip, and average each frame with those "
        "pixels of the previous frame that look alike",
    )
    group.add_argument(
        "--steady-reach",
        type=int,
        metavar="PIXELS",
        help="how far something may move from one frame to the next, 0 to 15; the time grows with its square (default: "
        f"{STEADY_REACH})",
    )
    group.add_argument(
        "--steady-past",
        type=float,
        metavar="NUMBER",
        help="how much the previous frames count at most, from 0 to below 1; more reduces flicker more, and follows "
        f"changes more slowly (default: {STEADY_PAST})",
    )
