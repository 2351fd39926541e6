"""`python -m crispseg` is the command line."""

from crispseg.cli.main import entry_point

entry_point()
