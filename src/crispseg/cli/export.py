"""`crispseg export`."""

from collections.abc import Sequence
from pathlib import Path

from crispseg.cli.arguments import CommandParser
from crispseg.cli.stage_options import add_sharpener_options
from crispseg.cli.stages import files_of_weights, require_sharpener
from crispseg.export import export_onnx
from crispseg.export.onnx import TOLERANCE
from crispseg.writing import check_output_file

_DESCRIPTION = """\
Write a sharpener as an ONNX file, which other runtimes and other languages run.

Its inputs are an image (batch, 3, height, width), RGB in [0, 1], and scores (batch, classes, rows, columns); its output
are crisp scores (batch, classes, height, width). All sizes are free. With --cue contour or soft, features
(batch, channels, height, width) stand in for the image: boundaries, or soft segmentations made elsewhere.

The file is run by onnxruntime and compared with PyTorch before it gets its name; what it expects and was made with lies
in its metadata. Needs: pip install 'crispseg[onnx]'"""

_EXAMPLES = """\
  crispseg export --output sharpener.onnx
  crispseg export --weights net.safetensors --passes 7 --precision float16 --output sharpener.onnx
  crispseg export --cue contour --scores probabilities --output contour.onnx"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("export", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="ONNX file to write")
    parser.add_argument(
        "--precision",
        dest="export_precision",
        choices=tuple(str(dtype).removeprefix("torch.") for dtype in TOLERANCE),
        default="float32",
        help="of inputs, output and network; the filter computes in float32 (default: %(default)s)",
    )
    add_sharpener_options(parser, without=("precision",))
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    sharpener = require_sharpener(options, "leaves nothing to export")
    check_output_file(options.output, files_of_weights(options))
    difference = export_onnx(sharpener, options.output, precision=options.export_precision)
    size = options.output.stat().st_size / 1e6
    print(f"{options.output}  {size:.1f} MB, within {difference:.1e} of PyTorch at the sizes that were tried")
