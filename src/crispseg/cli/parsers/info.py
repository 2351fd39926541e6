"""The options of `crispseg info`."""

from crispseg.cli.parsers.command_parser import CommandParser

DESCRIPTION = "Show versions, devices, the implementation of each operation, the cues, and the weights that ship."

EXAMPLES = "  crispseg info"


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    return CommandParser("info", DESCRIPTION, EXAMPLES)
