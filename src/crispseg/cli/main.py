"""Choose the command, run it, and turn an input error into one line and exit code 2."""

import errno
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from crispseg.cli.parsers.command_parser import did_you_mean
from crispseg.errors import InputError, SlowerWarning, one_line, ran_out_of_memory
from crispseg.extras import how_to_install
from crispseg.interrupts import INTERRUPTED, leaving_at_once
from crispseg.versions import __version__

COMMANDS = {
    "sharpen": "make the segmentation of images crisp",
    "raster": "make the segmentation of a GeoTIFF or another raster of any size crisp, within a given memory",
    "annotations": "move the outlines of annotated objects to the boundaries of their images",
    "evaluate": "measure what sharpening gains on labelled images",
    "tune": "find the options of a sharpener on labelled images",
    "train": "train a network",
    "table": "compare methods: those of the paper's tables, and those that people use today",
    "predict": "run a trained network over images",
    "convert": "convert weights that were released for Caffe",
    "boundaries": "measure boundary maps with the benchmark of BSDS500",
    "figure": "draw figures of the paper, and three others",
    "export": "write a sharpener as an ONNX file, for other runtimes",
    "app": "serve a page on which you can try every option in your browser",
    "info": "show versions, devices, implementations, cues and weights",
}
"""Every command has two modules of its name: `build_parser()` of the one in `crispseg.cli.parsers` returns what parses
its options, and `run(options)` of the one beside this runs it and may return an exit code."""

_SYSTEM = {
    errno.EACCES: "check its permissions",
    errno.EPERM: "check its permissions",
    errno.ENAMETOOLONG: "give it a shorter name",
    errno.EROFS: "choose another place",
    errno.ENOSPC: "make room on the disk",
    errno.EDQUOT: "make room on the disk",
}
"""Remedies for errors of the operating system."""

_GPU = {
    "Failed to find C compiler": "install GCC, or set CC to a C compiler, which Triton needs",
    "CUDA error": "install the PyTorch that fits this GPU and its driver",
}
"""Remedies for errors of the GPU, by words of their messages."""

_BROKEN_PIPE = 141
"""The exit code that a shell gives a program whose reader closed the pipe."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if not given or given[0] not in COMMANDS:
        return _without_command(given)
    name, *rest = given
    done = False
    try:
        options = importlib.import_module(f"crispseg.cli.parsers.{name}").build_parser().parse_args(rest)
        # Only now PyTorch and what else the command needs: help and wrong options must not wait for them.
        with leaving_at_once():
            command = importlib.import_module(f"crispseg.cli.{name}")
        code: int | None = command.run(options)
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


def _without_command(given: Sequence[str]) -> int:
    """Answer arguments that do not begin with a command, and return the exit code."""
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return 0 if given else 2
    if given[0] == "--version":
        print(f"crispseg {__version__}")
        return 0
    remedy = did_you_mean(given[0], COMMANDS) or f"; expected one of {', '.join(COMMANDS)}"
    print(f"crispseg: error: unknown command {given[0]!r}{remedy}", file=sys.stderr)
    return 2


def _leave_stdout() -> None:
    """Let what is still to be printed go nowhere, or Python would fail once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _explain(error: Exception) -> str | None:
    """Return one line about an error that the user can mend; None for a fault of crispseg."""
    if isinstance(error, InputError):
        return one_line(error)
    if isinstance(error, ModuleNotFoundError):
        return how_to_install(error.name or "")
    if ran_out_of_memory(error):
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        return f"out of memory ({reason}); use a smaller image or window"
    if isinstance(error, OSError) and error.errno in _SYSTEM:
        return f"{error.filename or 'output'}: {error.strerror}; {_SYSTEM[error.errno]}"
    for words, remedy in _GPU.items():
        if isinstance(error, RuntimeError) and words in str(error):
            return f"the GPU cannot compute ({str(error).splitlines()[0]}); {remedy}, or choose --device cpu"
    return None


def entry_point() -> None:
    """Run the installed command."""
    warnings.showwarning = _shown_by(warnings.showwarning)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without λ still gets its help, and a file or pipe each line when it is known.
            stream.reconfigure(errors="replace", line_buffering=True)
    # PyTorch reads it when it first allocates: one large page is cleared sooner than 512 small ones.
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    sys.exit(main())


def _shown_by(usual: Callable[..., None]) -> Callable[..., None]:
    """Return a `warnings.showwarning` that shows the warnings of crispseg as one line each, and others as usual."""

    def show(message: Warning | str, category: type[Warning], *place: Any) -> None:  # noqa: ANN401 - file and line
        if issubclass(category, SlowerWarning):
            print(f"crispseg: warning: {message}", file=sys.stderr)
        else:
            usual(message, category, *place)

    return show


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "usage: crispseg COMMAND [--help] …",
            "       crispseg --version",
            "",
            "Make any segmentation network's output crisp at object boundaries.",
            "",
            *lines,
            "",
            "`crispseg COMMAND --help` explains a command with examples.",
        ]
    )
