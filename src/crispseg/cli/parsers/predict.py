"""The options of `crispseg predict`."""

from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.shared_options import add_device_option, add_range_option, add_suffix_options

DESCRIPTION = """\
Run a trained network over images.

The weights are a file that `crispseg train` or `crispseg convert` wrote. NAME is the path of an image below the folder
that holds all images, without extension. The output folder gets
  NAME.safetensors  from a segmentation network: logits of the image's size, for sharpen, evaluate and tune
  NAME.png          from HED: the probability of a boundary, for `--boundaries` and for `crispseg boundaries`
and crispseg-predict.json, which holds what --resume compares."""

EXAMPLES = """\
  crispseg predict images/ --weights runs/deeplab_trunk/segmentation.safetensors --output scores
  crispseg predict images/ --weights runs/deeplab_trunk/segmentation.safetensors --output scores --resume
  crispseg predict images/ --weights runs/hed/boundary.safetensors --output boundaries"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("predict", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGE",
        help="image files, folders, or patterns in quotes, such as 'images/*.jpg'",
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="safetensors file of the network")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder to write to")
    parser.add_argument(
        "--resume",
        action="store_true",
        help="skip images whose output exists, was made with the same weights and options, and is not older than the "
        "image",
    )
    add_range_option(parser)
    add_suffix_options(parser, "image")
    add_device_option(parser)
    return parser
