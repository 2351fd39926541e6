"""The options of `crispseg export`."""

from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.stage_options import add_sharpener_options
from crispseg.defaults import EXPORT_OPERATORS, EXPORT_TOLERANCE

DESCRIPTION = """\
Write a sharpener as an ONNX file, for other runtimes and other languages.

The file takes an image (batch, 3, height, width), RGB in [0, 1], and scores (batch, classes, rows, columns), all of any
size. It returns crisp scores (batch, classes, height, width). With --cue contour or soft it takes features
(batch, channels, height, width) in place of the image: boundaries, or soft segmentations made elsewhere.

Before the file is saved, onnxruntime runs it, and its results are compared with those of PyTorch. Its metadata say what
it expects and how it was made. Needs: pip install 'crispseg[onnx]'"""

EXAMPLES = """\
  crispseg export --output sharpener.onnx
  crispseg export --weights net.safetensors --passes 7 --precision float16 --output sharpener.onnx
  crispseg export --operators custom --output sharpener.onnx
  crispseg export --cue contour --scores probabilities --output contour.onnx"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("export", DESCRIPTION, EXAMPLES)
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="ONNX file to write")
    parser.add_argument(
        "--precision",
        dest="export_precision",
        choices=tuple(EXPORT_TOLERANCE),
        default="float32",
        help="precision of inputs, output and network; the filter computes in float32 (default: %(default)s)",
    )
    parser.add_argument(
        "--operators",
        choices=EXPORT_OPERATORS,
        default=EXPORT_OPERATORS[0],
        help="standard: the file runs anywhere; custom: it is as fast as PyTorch, and needs the library that "
        "`crispseg info` names (default: %(default)s)",
    )
    add_sharpener_options(parser, without=("precision",))
    return parser
