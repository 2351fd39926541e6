"""Options that name labelled images and predictions of them."""

from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.shared_options import SUFFIX_HELP, add_suffix_options
from crispseg.data.numbering import ONE_BASED, ZERO_BASED


def add_labelled_options(parser: CommandParser) -> None:
    """Add options that name images and labels."""
    parser.add_argument(
        "--images", type=Path, required=True, metavar="FOLDER", help="folder of images; its subfolders are searched too"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="true label maps of the same names: indexed or greyscale PNG",
    )
    parser.add_argument(
        "--void", type=int, nargs="+", metavar="LABEL", help="true labels of pixels without a class (default: none)"
    )
    parser.add_argument(
        "--numbering",
        metavar=f"{ZERO_BASED}|{ONE_BASED}|FILE",
        help=f"how true labels number the classes: {ZERO_BASED} (the default); {ONE_BASED}, where classes start at 1 "
        "and 0 is void; or a table with a line `LABEL CLASS [NAME]` for each label, where CLASS may be `void`, and "
        "LABEL `*` stands for all others",
    )


def add_data_options(parser: CommandParser) -> None:
    """Add options that name images, labels and predictions."""
    add_labelled_options(parser)
    parser.add_argument(
        "--predictions", type=Path, required=True, metavar="FOLDER", help="label maps or scores, one for each image"
    )
    parser.add_argument(
        "--prediction-numbering",
        metavar=f"{ZERO_BASED}|{ONE_BASED}|FILE",
        help="how predictions that are label maps number the classes; required where --numbering is given",
    )
    parser.add_argument(
        "--void-band",
        type=int,
        metavar="PIXELS",
        help="the widest band of void between two labels that stands for their boundary, as on PASCAL VOC's outlines; "
        "0 for none (default: looked for in the label maps)",
    )
    parser.add_argument("--num-classes", type=int, help="number of classes (default: the number of score channels)")
    add_suffix_options(parser, *SUFFIX_HELP)
