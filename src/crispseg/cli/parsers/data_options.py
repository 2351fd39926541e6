"""Options that name a data set and predictions of its images."""

from argparse import ArgumentTypeError
from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.shared_options import SUFFIX_HELP, add_suffix_options
from crispseg.data.datasets import DATASETS, FOLDER
from crispseg.data.numbering import LIKE_LABELS, ONE_BASED, ZERO_BASED
from crispseg.defaults import ABSENT_CLASSES, SPLIT


def add_dataset_options(parser: CommandParser) -> None:
    """Add options that name images with true labels."""
    group = parser.add_argument_group("data set")
    group.add_argument(
        "--data",
        choices=DATASETS,
        default=FOLDER,
        metavar="NAME",
        help=f"a data set in the layout of its release ({', '.join(name for name in DATASETS if name != FOLDER)}), or "
        f"{FOLDER}: any folder of images and any folder of label maps (default: %(default)s)",
    )
    group.add_argument("--root", type=Path, metavar="FOLDER", help="where the named data set lies")
    group.add_argument("--split", help=f"part of the named data set (default: {SPLIT})")
    group.add_argument(
        "--data-option",
        type=_assignment,
        action="append",
        metavar="NAME=VALUE",
        help="another argument of the named data set, such as disputed=negative; may be repeated",
    )
    folders = parser.add_argument_group(f"data set of your own (--data {FOLDER}), which needs --images and --labels")
    folders.add_argument(
        "--images", type=Path, metavar="FOLDER", help="folder of images; its subfolders are searched too"
    )
    folders.add_argument(
        "--labels", type=Path, metavar="FOLDER", help="true label maps of the same names: indexed or greyscale PNG"
    )
    folders.add_argument(
        "--void", type=int, nargs="+", metavar="LABEL", help="true labels of pixels without a class (default: none)"
    )
    folders.add_argument(
        "--numbering",
        metavar=f"{ZERO_BASED}|{ONE_BASED}|FILE",
        help=f"how true labels number the classes: {ZERO_BASED} (the default); {ONE_BASED}, if classes start at 1 "
        "and 0 is void; or a table with a line `LABEL CLASS [NAME]` for each label; CLASS may be `void`, and "
        "LABEL `*` means all other labels",
    )
    folders.add_argument(
        "--class-names",
        type=Path,
        metavar="FILE",
        help="names of the classes, for reports: one per line, class 0 first; or JSON, a list or "
        '{"0": "road", …} (default: the names in a table of --numbering, or else numbers)',
    )


def add_data_options(parser: CommandParser, *, coarse_truth: bool = False) -> None:
    """Add options that name images with true labels and predictions.

    Args:
        parser: The parser to add to.
        coarse_truth: Whether the true labels, shrunk, may stand in for predictions.
    """
    add_dataset_options(parser)
    group = parser.add_argument_group("predictions")
    sources = group.add_mutually_exclusive_group(required=True)
    sources.add_argument("--predictions", type=Path, metavar="FOLDER", help="label maps or scores, one for each image")
    if coarse_truth:
        sources.add_argument(
            "--coarse-truth",
            type=int,
            metavar="N",
            help="in place of predictions, take the true labels at 1/N of the resolution, to check that sharpening "
            "does not harm a network that is right",
        )
    group.add_argument(
        "--prediction-numbering",
        metavar=f"{ZERO_BASED}|{ONE_BASED}|{LIKE_LABELS}|FILE",
        help=f"how predicted label maps number the classes, as for --numbering; {LIKE_LABELS}: as the true labels do. "
        f"Required if true labels are not {ZERO_BASED}",
    )
    group.add_argument(
        "--void-band",
        type=int,
        metavar="PIXELS",
        help="a band of void between two labels counts as their boundary if it is at most so wide, as on PASCAL VOC's "
        "outlines; 0 for none (default: detected from the label maps)",
    )
    group.add_argument(
        "--num-classes",
        type=int,
        metavar="N",
        help="number of classes (default: that of the data set or of --class-names, or else the number of score "
        "channels)",
    )
    add_suffix_options(parser, *SUFFIX_HELP)


def _assignment(text: str) -> tuple[str, str]:
    """Return the name and the value of NAME=VALUE."""
    name, sign, value = text.partition("=")
    if not (name.isidentifier() and sign and value):
        raise ArgumentTypeError(f"{text!r}; expected NAME=VALUE, such as disputed=negative")
    return name, value


def add_mean_over_option(parser: CommandParser) -> None:
    """Add the option for the classes that enter means."""
    parser.add_argument(
        "--mean-over",
        nargs="+",
        metavar="CLASS",
        help="classes to include in means over classes, by name or number, such as those with enough images "
        "(default: all)",
    )


def add_absent_classes_option(parser: CommandParser) -> None:
    """Add the option for classes that are predicted and have no true pixels."""
    parser.add_argument(
        "--absent-classes",
        choices=ABSENT_CLASSES,
        default=ABSENT_CLASSES[0],
        help="a class that is predicted but has no true pixels, in means over classes: count takes it as 0, as most "
        "tools do; ignore leaves it out (default: %(default)s)",
    )
