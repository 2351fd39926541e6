"""Run the command line by `python -m crispseg`."""

from crispseg.cli.main import entry_point

entry_point()
