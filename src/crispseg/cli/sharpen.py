"""`crispseg sharpen`."""

from collections.abc import Sequence
from pathlib import Path

from crispseg.cli.arguments import CommandParser, add_scores_option, progress_bar
from crispseg.cli.stages import add_stage_options, build_stages
from crispseg.inference import sharpen

_DESCRIPTION = """\
Make the segmentation of images crisp.

A prediction is what a segmentation network said of an image, at any resolution:
  - a label map: an indexed or greyscale PNG, one label number a pixel;
  - scores of shape (classes, height, width): .npy, .npz with one array, or .safetensors with one tensor.
An image is turned upright as its EXIF says; its prediction must be of the upright image.

For an image NAME the output folder will hold
  NAME.png                 the sharpened label map, with the palette of the prediction
  before_after/NAME.png    a picture: image, before, after, and the part that changed most
  scores/NAME.safetensors  the sharpened scores (with --save-scores)"""

_EXAMPLES = """\
  crispseg sharpen photo.jpg --prediction mask.png --output out
  crispseg sharpen photo.jpg --prediction logits.npy --output out --save-scores
  crispseg sharpen images/ --prediction probabilities/ --scores probabilities --output out
  crispseg sharpen images/ --prediction logits/ --cue contour --boundaries edges/ --output out"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("sharpen", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="image files, or folders of them")
    parser.add_argument(
        "--prediction",
        type=Path,
        required=True,
        metavar="FILE|FOLDER",
        help="prediction of the one image, or a folder with a file of the same name for each image",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder to write to")
    add_scores_option(parser)
    parser.add_argument("--save-scores", action="store_true", help="write the sharpened scores too")
    add_stage_options(parser)
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    stages = build_stages(options)
    with progress_bar() as progress:
        for item in sharpen(
            options.images,
            options.prediction,
            options.output,
            stages.sharpener,
            boundaries=options.boundaries,
            crf=stages.crf,
            scores=options.scores,
            save_scores=options.save_scores,
            progress=progress,
        ):
            line = f"{100 * item.changed:.1f} % of the pixels changed, {1000 * item.seconds:.0f} ms"
            print(f"{item.labels}  {line}")
