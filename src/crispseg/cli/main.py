"""Choose the command, run it, and turn an input error into one line and exit code 2."""

import errno
import importlib
import io
import os
import sys
from collections.abc import Sequence

from crispseg.errors import InputError, one_line, ran_out_of_memory
from crispseg.extras import how_to_install
from crispseg.interrupts import INTERRUPTED, leaving_at_once

COMMANDS = {
    "sharpen": "make the segmentation of images crisp",
    "raster": "the same for a raster of any size, such as GeoTIFF, within a given memory",
    "evaluate": "measure what sharpening gains on labelled images",
    "tune": "find hardness, window and passes on labelled images",
    "train": "train a network",
    "table": "measure methods beside each other: the paper's tables, and the peers",
    "predict": "run a trained network over images",
    "convert": "take over weights that were released for Caffe",
    "boundaries": "measure boundary maps with the benchmark of BSDS500",
    "figure": "draw the figures of the paper, and those it lacks",
    "export": "write a sharpener as an ONNX file, for other runtimes",
    "app": "show a page to try it on: before and after, masks of pixels, every control",
    "info": "show versions, devices, implementations and weights",
}
"""Every command has a module of its name here, with `build_parser()` and `main(arguments)`, which may return an exit
code."""

_SYSTEM = {
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EROFS: "choose another place",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room on the disk",
}
"""What to do about what the system refuses."""

_BROKEN_PIPE = 141
"""What a shell says of a program whose reader left before it was done."""


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
    done = False
    try:
        # Commands are imported when they are called: `sharpen` must not wait for the training libraries.
        with leaving_at_once():
            command = importlib.import_module(f"crispseg.cli.{name}")
        code: int | None = command.main(rest)
        done = True
        sys.stdout.flush()
    except BrokenPipeError:  # who read our output has seen enough, as `head` does
        _leave_stdout()
        return 0 if done else _BROKEN_PIPE
    except KeyboardInterrupt as interrupt:
        print(f"crispseg {name}: interrupted{interrupt}", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        explanation = _explain(error)
        if explanation is None:
            raise
        print(f"crispseg {name}: error: {explanation}", file=sys.stderr)
        if isinstance(error, OSError) and error.filename is None:
            _leave_stdout()
        return 2
    return code or 0


def _leave_stdout() -> None:
    """Let what is still to be printed go nowhere, or Python would fail once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(error: Exception) -> str | None:
    """One line on an error that a user can mend; None for one that is ours."""
    if isinstance(error, InputError):
        return one_line(error)
    if isinstance(error, ModuleNotFoundError):
        return how_to_install(error.name or "")
    if ran_out_of_memory(error):
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        return f"out of memory ({reason}); use a smaller image or window"
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        return f"{error.filename or 'output'}: {error.strerror}; {_SYSTEM[error.errno]}"
    return None


def entry_point() -> None:
    """What the installed command calls."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without λ still gets its help, and a file or pipe each line when it is known.
            stream.reconfigure(errors="replace", line_buffering=True)
    # PyTorch reads it when it first allocates: one large page is cleared sooner than 512 small ones.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
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
