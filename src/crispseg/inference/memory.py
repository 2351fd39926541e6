"""Sizes of memory as text."""

import re

from crispseg.errors import InputError

_UNITS = {"": 1, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_memory(memory: str | int) -> int:
    """Return the bytes of a size given as a number of bytes or as text.

    Raises:
        InputError: If it is neither, or 0.

    Example:
        >>> parse_memory("1.5 GiB"), parse_memory("800MB")
        (1610612736, 800000000)
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", str(memory).lower())
    if match is None or float(match[1]) == 0:
        raise InputError(f"memory is {memory!r}; expected a size such as 2GiB or 800MB")
    return int(float(match[1]) * (1024 if match[3] else 1000) ** (0 if not match[2] else _UNITS[match[2]]))


def size_as_text(size: float) -> str:
    """Return a number of bytes in GiB, for messages."""
    return f"{size / 2**30:.2f} GiB"
