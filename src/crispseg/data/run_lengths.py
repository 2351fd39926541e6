"""COCO's run lengths of a mask: numbers, or compressed text."""

import operator
from collections.abc import Iterable

from crispseg.errors import InputError


def read_runs(counts: bytes | str | Iterable[int], pixels: int) -> list[int]:
    """Return the lengths of runs, which are in turn outside and inside.

    pycocotools would return what its memory held before where the runs are too short.

    Args:
        counts: COCO's compressed text, or the lengths.
        pixels: The sum that they must have.

    Raises:
        InputError: If they cannot be decoded, are no whole numbers from 0 on, or have another sum.

    Example:
        >>> read_runs("5221", 12), read_runs([5, 2, 2, 3], 12)
        ([5, 2, 2, 3], [5, 2, 2, 3])
    """
    try:
        text = counts.encode("ascii") if isinstance(counts, str) else counts
        lengths = _decompressed(text) if isinstance(text, bytes) else [operator.index(count) for count in text]
    except (UnicodeError, IndexError, TypeError) as error:
        raise InputError("its RLE cannot be decoded; expected compressed text, or whole numbers") from error
    if any(length < 0 for length in lengths) or sum(lengths) != pixels:
        raise InputError(f"its RLE does not hold {pixels} pixels; expected whole numbers with that sum")
    return lengths


def _decompressed(text: bytes) -> list[int]:
    """Return the run lengths of COCO's compressed text: differences from the run before the last, 5 bits a letter."""
    lengths: list[int] = []
    at = 0
    while at < len(text):
        value, shift, more = 0, 0, True
        while more:
            letter = text[at] - 48
            value |= (letter & 31) << shift
            more, at, shift = bool(letter & 32), at + 1, shift + 5
            if not more and letter & 16:
                value -= 1 << shift
        lengths.append(value + lengths[-2] if len(lengths) > 2 else value)
    return lengths
