"""Commands in the documentation, and a check that their parsers accept them."""

import importlib
import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
LEFT_OUT = "--images a --labels b --predictions c"


def commands_in(text: str) -> list[str]:
    """Return every `crispseg …` in an indented block, each on one line and without its comment."""
    one_line_each = text.replace("\\\n", " ")
    return re.findall(r"^ {2,4}(crispseg [^#\n]+)", one_line_each, re.MULTILINE)


def arguments_of(command: str) -> list[str]:
    """Return the arguments of a command, without `crispseg`."""
    return shlex.split(command.replace("…", LEFT_OUT))[1:]


def assert_understood(command: str) -> None:
    """Fail unless the command's parser accepts the arguments; for a training, unless its configs exist."""
    name, *arguments = arguments_of(command)
    if name == "train":
        configs = [argument for argument in arguments if argument.startswith("configs/")]
        assert configs
        assert all((ROOT / config).is_file() for config in configs), command
    else:
        importlib.import_module(f"crispseg.cli.parsers.{name}").build_parser().parse_args(arguments)
