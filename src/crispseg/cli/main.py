"""Choose the command, run it, and turn an input error into one line and exit code 2."""

import importlib
import sys
from collections.abc import Sequence

from crispseg.errors import InputError

COMMANDS = {
    "sharpen": "make the segmentation of images crisp",
    "evaluate": "measure what sharpening gains on labelled images",
    "tune": "find hardness, window and iterations on labelled images",
    "train": "train the embedding network",
    "info": "show versions, devices, implementations and weights",
}
"""Every command has a module of its name here, with a function `main(arguments)`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return 0 if given else 2
    name, *rest = given
    if name not in COMMANDS:
        print(f"crispseg: error: no command {name!r}; expected one of {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    try:
        # Commands are imported when they are called: `sharpen` must not wait for the training libraries.
        importlib.import_module(f"crispseg.cli.{name}").main(rest)
    except InputError as error:
        print(f"crispseg {name}: error: {error}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        print(f"crispseg {name}: error: {error}; install it with: pip install 'crispseg[train]'", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"crispseg {name}: interrupted", file=sys.stderr)
        return 130
    return 0


def entry_point() -> None:
    """What the installed command calls."""
    sys.exit(main())


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: crispseg COMMAND [--help] …",
            "",
            "Make any segmentation network's output crisp at object boundaries.",
            "",
            *lines,
            "",
            "`crispseg COMMAND --help` explains a command with examples.",
        ]
    )
