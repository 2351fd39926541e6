"""`crispseg convert`."""

from argparse import Namespace

from crispseg.models.caffemodel import read_caffemodel
from crispseg.models.convert import convert
from crispseg.models.saving import save_network
from crispseg.writing import check_output_file


def run(options: Namespace) -> None:
    """Run the command."""
    check_output_file(options.output, [options.caffemodel])
    network = convert(read_caffemodel(options.caffemodel), options.to)
    save_network(network, options.output, source=options.caffemodel.name)
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    made = "".join(f", {name} {value}" for name, value in network.arguments.items())
    print(f"{options.output}  {type(network).__name__}{made}, {millions:.1f} million parameters")
