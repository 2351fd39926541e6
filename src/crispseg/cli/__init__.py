"""The command line: `crispseg COMMAND …`, a file for each command."""
