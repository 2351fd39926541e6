"""Masks as run lengths: those of COCO, which go down the columns, and those of CVAT, which go along the rows."""

import mmap
import operator
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress

import numpy as np
from numpy.typing import NDArray

from crispseg.data.box import Box
from crispseg.errors import InputError
from crispseg.extras import optional_packages

Mask = NDArray[np.bool_]
"""(H, W)."""

_LARGE = 2**20
"""Pixels from which a mask gets memory of its own."""


def blank(size: tuple[int, int]) -> Mask:
    """Return a mask without pixels.

    The system gives memory only to the part that is written, so that hundreds of masks of a large image fit. The usual
    allocator does so until large blocks have been freed; from then on it clears, and so takes, the whole of new ones.
    """
    pixels = size[0] * size[1]
    if pixels < _LARGE:
        return np.zeros(size, bool)
    private = {} if os.name == "nt" else {"flags": mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS}
    block = mmap.mmap(-1, pixels, **private)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        with suppress(OSError):  # the kernel knows no large pages
            block.madvise(mmap.MADV_NOHUGEPAGE)
    return np.frombuffer(block, bool).reshape(size)


def _lengths(counts: bytes | str | Iterable[int], pixels: int) -> list[int]:
    """Return the lengths of runs, which are in turn outside and inside.

    pycocotools would return what its memory held before where the runs are too short.

    Args:
        counts: COCO's compressed text, or the lengths.
        pixels: The sum that they must have.

    Raises:
        InputError: If they cannot be decoded, are no whole numbers from 0 on, or have another sum.

    Example:
        >>> _lengths("5221", 12), _lengths([5, 2, 2, 3], 12)
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


def _expanded(counts: bytes | str | Iterable[int], pixels: int) -> Mask:
    """Return the pixels of runs, which are in turn outside and inside; see `_lengths` for the errors."""
    ends = np.cumsum(_lengths(counts, pixels))
    pixels_of = blank((1, pixels)).ravel()
    for begin, end in zip(ends[:-1:2].tolist(), ends[1::2].tolist(), strict=False):
        pixels_of[begin:end] = True  # the rest gets no memory; see `blank`
    return pixels_of


def expanded_rows(counts: Sequence[int], height: int, width: int) -> Mask:
    """Return the (height, width) mask of run lengths in rows."""
    return _expanded(counts, height * width).reshape(height, width)


def runs(pixels: Mask) -> list[int]:
    """Return the lengths of the runs of a flat mask, which are in turn outside and inside.

    Example:
        >>> runs(np.array([True, True, False]))
        [0, 2, 1]
    """
    changes = np.flatnonzero(np.diff(pixels)) + 1
    lengths = np.diff(np.concatenate([[0], changes, [pixels.size]])).tolist()
    return [0, *lengths] if pixels.size and pixels[0] else lengths


def runs_in_columns(mask: Mask) -> list[int]:
    """Return the lengths of the runs of a mask in columns, as COCO counts them.

    Example:
        >>> runs_in_columns(np.array([[False, True], [True, True]]))
        [1, 3]
    """
    if not mask.any():
        return [mask.size]
    box = Box.around(mask)
    columns, rows = np.nonzero(mask[box.slices].T)
    places = (columns + box.left) * mask.shape[0] + rows + box.top
    breaks = np.flatnonzero(np.diff(places) != 1)
    begins, ends = np.append(places[0], places[breaks + 1]), np.append(places[breaks], places[-1]) + 1
    lengths: list[int] = np.diff(np.stack([begins, ends], 1).ravel(), prepend=0, append=mask.size).tolist()
    return lengths if lengths[-1] else lengths[:-1]


def decode(counts: bytes | str | Iterable[int], height: int, width: int) -> Mask:
    """Return the mask of COCO's run lengths: numbers, or compressed as text or bytes.

    Raises:
        InputError: If they cannot be decoded, or are of another size.
    """
    return _expanded(counts, height * width).reshape(width, height).T


def encode(mask: Mask) -> str:
    """Return a mask as COCO's compressed run lengths."""
    with optional_packages():
        from pycocotools import mask as coco  # noqa: PLC0415
    encoded = coco.frPyObjects({"size": list(mask.shape), "counts": runs_in_columns(mask)}, *mask.shape)
    return str(encoded["counts"], "ascii")


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
