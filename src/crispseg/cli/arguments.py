"""What the commands share: the parser, the options that name data and device, the progress bar."""

import argparse
import sys
from collections.abc import Iterable
from typing import NoReturn

import torch
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from crispseg.data.matching import Suffixes
from crispseg.errors import InputError
from crispseg.metrics import ABSENT_CLASSES


class CommandParser(argparse.ArgumentParser):
    """A parser whose complaints are input errors, so that they end like all the others."""

    def __init__(self, name: str, description: str, examples: str) -> None:
        super().__init__(
            prog=f"crispseg {name}",
            description=description,
            epilog=f"examples:\n{examples}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line."""
        raise InputError(f"{message} (see {self.prog} --help)")


def add_device_option(parser: CommandParser) -> None:
    """Where it runs."""
    parser.add_argument("--device", help='"cpu", "cuda", "mps" … (default: a GPU where there is one)')


def choose_device(name: str | None) -> torch.device:
    """The device by that name, or the best there is.

    Raises:
        InputError: If there is no such device here.
    """
    if name is None:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.empty(0, device=name).device
        if device.type == "meta":
            raise InputError("device 'meta' holds no numbers; `crispseg info` lists devices")
        return device
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used here ({reason}); `crispseg info` lists devices") from error


def add_range_option(parser: CommandParser) -> None:
    """Which numbers of an image are black and white."""
    parser.add_argument(
        "--range",
        default="auto",
        metavar="LOW,HIGH",
        help="which numbers of an image are black and white, as 0,3000; full for all that their type holds; "
        "percentiles for the 2nd and 98th of the image (default: full for 8 bits and for more that are used up, "
        "percentiles elsewhere, of which a warning tells)",
    )


SUFFIX_HELP = {
    "image": "what the names of images go on with before their ending, such as _leftImg8bit",
    "prediction": "those of predictions, such as _scores",
    "label": "those of true label maps, such as _gtFine_labelTrainIds",
    "boundary": "those of boundary maps",
}


def add_suffix_options(parser: CommandParser, *kinds: str) -> None:
    """Options that say how the names of files that belong together differ."""
    group = parser.add_argument_group("names that differ")
    for kind in kinds:
        group.add_argument(f"--{kind}-suffix", default="", metavar="TEXT", help=SUFFIX_HELP[kind])


def read_suffixes(options: argparse.Namespace) -> Suffixes:
    """The suffixes that the options say."""
    return Suffixes(*(getattr(options, f"{kind}_suffix", "") for kind in SUFFIX_HELP))


def add_absent_classes_option(parser: CommandParser) -> None:
    """Add the option for classes that are predicted and have no true pixels."""
    parser.add_argument(
        "--absent-classes",
        choices=ABSENT_CLASSES,
        default=ABSENT_CLASSES[0],
        help="how a class that is predicted but has no true pixels enters means over classes: count takes it as 0, as "
        "most tools do; ignore leaves it out (default: %(default)s)",
    )


def print_remarks(remarks: Iterable[str]) -> None:
    """Print remarks on labels that look misread, on standard error."""
    for remark in remarks:
        print(f"note: {remark}", file=sys.stderr)


class _RateColumn(ProgressColumn):
    """How many are done in a second, of late."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        rate = task.finished_speed or task.speed
        return Text("" if rate is None else f"{rate:.1f} {self.unit}/s", style="progress.data.speed")


def progress_bar(unit: str | None = None) -> Progress:
    """A bar with count, elapsed time and time left, on standard error; gone when done, absent where no one looks.

    Args:
        unit: What is counted, to show how many are done in a second; None for what takes different times.
    """
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([_RateColumn(unit)] if unit else []),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else what is printed would not reach the file or pipe it is for
        disable=not console.is_terminal,
    )
