"""The arguments of `crispseg train`."""

import argparse
from collections.abc import Sequence

from crispseg.cli.parsers.command_parser import CommandParser

DESCRIPTION = "Train a network."

EXAMPLES = "  crispseg train configs/embedding.yaml"


class _Verbatim(CommandParser):
    """Leaves the arguments as they are: the options derive from `crispseg.training.train`, which imports PyTorch."""

    def parse_args(  # type: ignore[override]  # of the forms of the base class, the one that is used
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Return the arguments as `arguments`."""
        return argparse.Namespace(arguments=list(args or []))


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    return _Verbatim("train", DESCRIPTION, EXAMPLES)
