"""Options that several commands have: the device, the range of an image's numbers, the suffixes of names."""

from pathlib import Path

from crispseg.cli.parsers.command_parser import CommandParser

SUFFIX_HELP = {
    "image": "what the names of images end in, before the extension, such as _leftImg8bit",
    "prediction": "what the names of predictions end in, such as _scores",
    "label": "what the names of true label maps end in, such as _gtFine_labelTrainIds",
    "boundary": "what the names of boundary maps end in, such as _edges",
}
"""Help for the suffix of each kind of file, in the order of the fields of `Suffixes`."""


def add_device_option(parser: CommandParser) -> None:
    """Add the option for the device."""
    parser.add_argument("--device", help='"cpu", "cuda", "mps" … (default: a GPU if there is one)')


def add_memory_option(parser: CommandParser, what: str = "", otherwise: str = "") -> None:
    """Add the option for the memory that the process may use.

    Args:
        parser: The parser.
        what: Words on what it limits.
        otherwise: Words on what happens without it; empty if it is 2GiB then.
    """
    default = None if otherwise else "2GiB"
    help_text = f"memory that the process may use{what} (default: {otherwise or default})"
    parser.add_argument("--memory", default=default, metavar="SIZE", help=help_text)


def add_resume_option(parser: CommandParser) -> None:
    """Add the option for a file that keeps what was counted."""
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="keep what is counted on each image in FILE, and go on with what it holds; after an interruption, give "
        "the same FILE again (default: nothing is kept)",
    )


def add_range_option(parser: CommandParser) -> None:
    """Add the option for the values of an image that stand for black and white."""
    parser.add_argument(
        "--range",
        default="auto",
        metavar="LOW,HIGH|full|percentiles",
        help="the values of black and white in the image, such as 0,3000; or full: the whole range of its type; or "
        "percentiles: the 2nd and 98th percentile of the image (default: full for images of 8 bits, and of more bits "
        "if they use the whole range; else percentiles, with a warning)",
    )


def add_suffix_options(parser: CommandParser, *kinds: str) -> None:
    """Add options for the suffixes by which the names of files that belong together differ."""
    group = parser.add_argument_group("names that differ")
    for kind in kinds:
        group.add_argument(f"--{kind}-suffix", default="", metavar="TEXT", help=SUFFIX_HELP[kind])
