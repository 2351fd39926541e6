"""What the commands share: the parser, the options of the sharpener, the progress bar."""

import argparse
from pathlib import Path
from typing import NoReturn

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from crispseg.data import LabelledPredictions
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError
from crispseg.inference.sharpener import DEFAULT_HARDNESS, DEFAULT_ITERATIONS, DEFAULT_WINDOW, Sharpener
from crispseg.window import Window


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


def add_sharpener_options(parser: CommandParser) -> None:
    """Options that choose the weights and the filter."""
    group = parser.add_argument_group("sharpener")
    group.add_argument(
        "--window",
        type=int,
        default=DEFAULT_WINDOW.size,
        help="side of the window, odd: how far a pixel looks for others that belong with it (default: %(default)s)",
    )
    group.add_argument(
        "--dilation",
        type=int,
        default=DEFAULT_WINDOW.dilation,
        help="pixels between two neighbours in the window (default: %(default)s)",
    )
    group.add_argument(
        "--hardness",
        type=float,
        default=DEFAULT_HARDNESS,
        help="λ, above 0: larger mixes fewer neighbours (default: %(default)s)",
    )
    group.add_argument(
        "--iterations",
        type=int,
        default=DEFAULT_ITERATIONS,
        help="how many times the filter is applied (default: %(default)s)",
    )
    add_embedding_options(parser)


def add_embedding_options(parser: CommandParser) -> None:
    """Options that choose the embedding and where it runs."""
    group = parser.add_argument_group("embedding")
    group.add_argument(
        "--weights", type=Path, help="safetensors file that `crispseg train` wrote (default: the weights that ship)"
    )
    group.add_argument(
        "--norm", type=int, choices=(1, 2), default=1, help="norm of the embedding distance (default: %(default)s)"
    )
    group.add_argument("--device", help='"cpu", "cuda", "mps" … (default: a GPU where there is one)')


def build_sharpener(options: argparse.Namespace) -> Sharpener:
    """The sharpener that the options describe, on its device."""
    sharpener = Sharpener.from_pretrained(
        options.weights,
        window=Window(options.window, options.dilation),
        hardness=options.hardness,
        iterations=options.iterations,
        norm=options.norm,
    )
    return sharpener.to(choose_device(options.device))


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
        choices=("logits", "probabilities"),
        default="logits",
        help="what floating-point scores are; label maps need no word (default: %(default)s)",
    )


def add_data_options(parser: CommandParser) -> None:
    """Options that name images, labels and predictions."""
    parser.add_argument("--images", type=Path, required=True, metavar="FOLDER", help="images")
    parser.add_argument(
        "--labels", type=Path, required=True, metavar="FOLDER", help="true label maps: indexed or greyscale PNG"
    )
    parser.add_argument(
        "--predictions", type=Path, required=True, metavar="FOLDER", help="label maps or scores, one for each image"
    )
    parser.add_argument(
        "--void", type=int, default=IGNORE_INDEX, help="true label of pixels without a class (default: %(default)s)"
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
    )


def progress_bar() -> Progress:
    """A bar with count, elapsed time and time left, on standard error; gone when done, absent where no one looks."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
