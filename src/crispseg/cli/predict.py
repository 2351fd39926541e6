"""`crispseg predict`."""

from collections.abc import Sequence
from pathlib import Path

from crispseg.cli.arguments import (
    CommandParser,
    add_device_option,
    add_range_option,
    add_suffix_options,
    choose_device,
    progress_bar,
)
from crispseg.data.intensity import parse_range
from crispseg.jobs.networks import load_predictor, predict
from crispseg.process_memory import keep_freed

_DESCRIPTION = """\
Run a trained network over images.

The weights are a file that `crispseg train` or `crispseg convert` wrote. For an image NAME, its path below the folder
of all images without ending, the output folder will hold
  NAME.safetensors  logits of the image's size, of a segmentation network: a prediction for sharpen, evaluate and tune
  NAME.png          the probability of a boundary, of HED: for `--boundaries` and for `crispseg boundaries`"""

_EXAMPLES = """\
  crispseg predict images/ --weights runs/deeplab_trunk/segmentation.safetensors --output scores
  crispseg predict images/ --weights runs/hed/boundary.safetensors --output boundaries"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("predict", _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="image files, folders of them, or patterns"
    )
    parser.add_argument("--weights", type=Path, required=True, metavar="FILE", help="safetensors file of the network")
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder to write to")
    add_range_option(parser)
    add_suffix_options(parser, "image")
    add_device_option(parser)
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    values = parse_range(options.range)
    keep_freed()
    network = load_predictor(options.weights).to(choose_device(options.device))
    with progress_bar() as progress:
        written = predict(
            options.images,
            network,
            options.output,
            value_range=values,
            image_suffix=options.image_suffix,
            read=[options.weights],
            progress=progress,
        )
    print(f"{options.output}  {len(written)} images")
