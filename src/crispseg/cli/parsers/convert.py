"""The options of `crispseg convert`."""

from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.defaults import CAFFE_NETWORKS

DESCRIPTION = """\
Convert weights that were released for Caffe.

Reads a .caffemodel and writes a safetensors file for one of these networks, which take RGB in [0, 1]:
  deeplab    DeepLab-LargeFOV, or the multi-scale DeepLab-MSc-LargeFOV if the file holds its branches
  embedding  the embedding of the authors' later code; use it with `crispseg sharpen --weights`
  hed        the boundary detector HED

In Python, `crispseg.models.saving.load_network` reads the file. Needs: pip install 'crispseg[caffe]'"""

EXAMPLES = """\
  crispseg convert hed_pretrained_bsds.caffemodel --to hed --output hed.safetensors
  crispseg convert train2_iter_8000.caffemodel --to deeplab --output deeplab.safetensors"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("convert", DESCRIPTION, EXAMPLES)
    parser.add_argument("caffemodel", type=Path, metavar="CAFFEMODEL", help="the binary .caffemodel file")
    parser.add_argument("--to", required=True, choices=CAFFE_NETWORKS, help="the network in the file")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="safetensors file to write")
    return parser
