"""`crispseg export`."""

from argparse import Namespace

from crispseg.cli.stages import files_of_weights, require_sharpener
from crispseg.export import export_onnx
from crispseg.writing import check_output_file


def run(options: Namespace) -> None:
    """Run the command."""
    sharpener = require_sharpener(options, "leaves nothing to export")
    check_output_file(options.output, files_of_weights(options))
    difference = export_onnx(sharpener, options.output, precision=options.export_precision, operators=options.operators)
    size = options.output.stat().st_size / 1e6
    print(f"{options.output}  {size:.1f} MB, within {difference:.1e} of PyTorch at the sizes that were tried")
