"""What the commands share: the parser, the options that name data and device, the progress bar."""

import argparse
import sys
from pathlib import Path
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

from crispseg.data import LabelledPredictions
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError
from crispseg.scores import SCORES


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


def add_scores_option(parser: CommandParser) -> None:
    """What floating-point scores in files are."""
    parser.add_argument(
        "--scores",
        choices=SCORES,
        default="logits",
        help="what floating-point scores are: logits or probabilities of classes that exclude each other, or "
        "(multilabel) of labels that do not, such as the masks of objects; label maps need no word; with "
        "probabilities a greyscale mask, soft or of black and white alone, is the probability of label 1 (default: "
        "%(default)s)",
    )


def add_labelled_options(parser: CommandParser) -> None:
    """Options that name images and labels."""
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="images")
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="FOLDER", help="true label maps: indexed or greyscale PNG"
    )
    parser.add_argument(
        "--void", type=int, default=IGNORE_INDEX, help="true label of pixels without a class (default: %(default)s)"
    )


def add_data_options(parser: CommandParser) -> None:
    """Options that name images, labels and predictions."""
    add_labelled_options(parser)
    parser.add_argument(
        "--predictions", type=Path, required=True, metavar="FOLDER", help="label maps or scores, one for each image"
    )
    parser.add_argument("--classes", type=int, help="number of classes (default: the number of score channels)")
    add_scores_option(parser)


def read_data(options: argparse.Namespace) -> LabelledPredictions:
    """The data that the options name."""
    return LabelledPredictions(
        options.images,
        options.labels,
        options.predictions,
        void=options.void,
        classes=options.classes,
        scores=options.scores,
        boundaries=options.boundaries,
    )


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
