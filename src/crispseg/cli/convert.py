"""`crispseg convert`."""

from collections.abc import Sequence
from pathlib import Path

from crispseg.cli.arguments import CommandParser
from crispseg.models.caffemodel import read_caffemodel
from crispseg.models.convert import CONVERTERS, convert
from crispseg.models.saving import save_network
from crispseg.writing import check_output_file

_DESCRIPTION = """\
Take over weights that were released for Caffe.

Reads a .caffemodel and writes a safetensors file for one of these networks, whose input is RGB in [0, 1]:
  deeplab    DeepLab-LargeFOV, or the multi-scale DeepLab-MSc-LargeFOV where the file holds its branches
  embedding  the embedding of the authors' later code; use it with `crispseg sharpen --weights`
  hed        the boundary detector HED

In Python, `crispseg.models.saving.load_network` reads the file. Needs: pip install 'crispseg[caffe]'"""

_EXAMPLES = """\
  crispseg convert hed_pretrained_bsds.caffemodel --to hed --output hed.safetensors
  crispseg convert train2_iter_8000.caffemodel --to deeplab --output deeplab.safetensors"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("convert", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("caffemodel", type=Path, metavar="CAFFEMODEL", help="the binary .caffemodel file")
    parser.add_argument("--to", required=True, choices=tuple(CONVERTERS), help="which network it holds")
    parser.add_argument("--output", type=Path, required=True, metavar="FILE", help="safetensors file to write")
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    check_output_file(options.output, [options.caffemodel])
    network = convert(read_caffemodel(options.caffemodel), options.to)
    save_network(network, options.output, source=options.caffemodel.name)
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    made = "".join(f", {name} {value}" for name, value in network.arguments.items())
    print(f"{options.output}  {type(network).__name__}{made}, {millions:.1f} million parameters")
