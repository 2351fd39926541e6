"""The parser of a command: its complaints are input errors, and say what a mistyped option may stand for."""

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from crispseg.errors import InputError

_RENAMED = {"--processes": "--workers"}
"""Options that had another name, by their old ones."""


class _ShortUsage(argparse.RawDescriptionHelpFormatter):
    """Writes a first line with what a command needs: all that it can take would fill a screen, and is listed below."""

    def _format_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[Any],
        prefix: str | None,
    ) -> str:
        needed = [group for group in groups if group.required]
        either = [action for group in needed for action in group._group_actions]
        shown = [action for action in actions if not action.option_strings or action.required or action in either]
        more = any(action not in shown and action.dest != "help" for action in actions)
        return super()._format_usage(usage, shown, needed, prefix).rstrip() + " [options]" * more + "\n\n"


class CommandParser(argparse.ArgumentParser):
    """A parser whose complaints are input errors, so that they end like all the others.

    Args:
        name: The command, without `crispseg`.
        description: What it does, for `--help`.
        examples: Commands to try, each on a line that is indented by two spaces.
    """

    def __init__(self, name: str, description: str, examples: str) -> None:
        super().__init__(
            prog=f"crispseg {name}",
            description=description,
            epilog=f"examples:\n{examples}",
            formatter_class=_ShortUsage,
            allow_abbrev=False,
        )

    def parse_known_args(  # type: ignore[override]  # of the forms of the base class, the one that is used
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse arguments, which the result also holds as `given`.

        Options that are not known are looked for before: argparse would first say what is missing.
        """
        given = list(sys.argv[1:] if args is None else args)
        if self._subparsers is None:  # else they are the next parser's
            self._refuse_unknown(given)
        options, others = super().parse_known_args(given, namespace)
        options.given = given
        return options, others

    def _refuse_unknown(self, arguments: Iterable[str]) -> None:
        known = self._option_string_actions
        for argument in arguments:
            if argument == "--":
                return
            option = argument.partition("=")[0]
            if option.startswith("--") and option not in known:
                self.error(f"unknown option {option}{did_you_mean(option, known)}")

    def error(self, message: str) -> NoReturn:
        """Raise an input error that says what is wrong in one line."""
        raise InputError(f"{message} (see {self.prog} --help)")


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return a question that names the closest of the known words, or nothing where none is close.

    Example:
        >>> did_you_mean("--hardnes", ["--hardness", "--guard"])
        '; did you mean --hardness?'
    """
    known = list(known)
    close = [_RENAMED[given]] if _RENAMED.get(given) in known else difflib.get_close_matches(given, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
