"""The one error a user can mend: something that was given to crispseg is not what it needs."""


class InputError(ValueError):
    """Says what was given, what was expected and what to do. The command line prints one line."""
