"""The memory that a user allows, and the side of tiles that fit into it."""

import re
from bisect import bisect_right

from crispseg.cues import Cue
from crispseg.cues.cue import EmbeddingCue
from crispseg.errors import InputError
from crispseg.inference.sharpener import Sharpener
from crispseg.process_memory import is_counted, resident_bytes

STRIP = 256
"""Rows of a tile whose features are computed at a time, so that the network takes less memory than the filter."""

_SMALLEST = 64
_FREE = 0.7
"""The share of the remaining memory that is used, because the allocator's memory fragments."""
_ONCE = 112 * 2**20
"""Bytes that libraries allocate on their first use."""
_OF_A_MASK = 4
"""Numbers for each pixel of a mask: its values, where it may change, and its values after two filters."""
_UNITS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


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
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _UNITS[match[2]])


def tile_side(
    sharpener: Sharpener, each: int, image: tuple[int, int], memory: int, margin: int, *, besides: int = 0
) -> int:
    """Return the side of tiles that fit, with their margin, into the memory that the process may use.

    Args:
        sharpener: The sharpener.
        each: The memory in bytes for each pixel.
        image: Height and width of the image.
        memory: The memory in bytes.
        margin: Pixels that are computed around a tile.
        besides: Bytes that the process will take besides the tile.

    Raises:
        InputError: If tiles of 64 pixels do not fit.
    """

    def needed_by(side: int) -> int:
        # What lies outside the image is not computed.
        height, width = (min(side + 2 * margin, extent) for extent in image)
        return _needed(sharpener.cue, each, height, width)

    held = _ONCE + resident_bytes() + besides if is_counted() and sharpener.device.type == "cpu" else 0
    free = max(int(_FREE * (memory - held)), 0)
    side = bisect_right(range(1, max(image) + 1), free, key=needed_by)
    smallest = min(_SMALLEST, *image)
    if side < smallest:
        needed = held + needed_by(smallest) / _FREE
        raise InputError(
            f"memory is {_as_text(memory)}, too small for a tile: the process takes {_as_text(held)} besides, and "
            f"a tile needs {margin} pixels around it; expected {_as_text(needed)} or more: allow more memory, or use "
            "fewer passes or a smaller window"
        )
    return side


def _as_text(size: float) -> str:
    """Return a number of bytes in GiB, for messages."""
    return f"{size / 2**30:.2f} GiB"


def _needed(cue: Cue, each: int, height: int, width: int) -> int:
    """Return the bytes that a tile takes which is so many pixels high and wide with its margin.

    The peak is that of the filter, or that of the network in the last strip of the features.
    """
    rows, channels = min(height, STRIP + 2 * ((cue.reach or 0) + cue.step)), cue.channels or 3
    return max(each * height, 4 * ((3 + channels) * height + (cue.workspace + channels) * rows)) * width


def bytes_per_pixel(sharpener: Sharpener, num_classes: int, *, of_labels: bool = False, contrasted: bool = True) -> int:
    """Return the peak memory in bytes that the filter takes for each pixel of a tile, including its margin.

    Args:
        sharpener: The sharpener.
        num_classes: Channels of the scores that are filtered together.
        of_labels: Whether the labels of a label map are filtered, which needs the weights of all windows at once.
        contrasted: Whether pixels may be compared with more contrast, which takes a copy of features and scores.
    """
    cue, compares, counts = sharpener.cue, sharpener.compares_scores, [level.window.count for level in sharpener.levels]
    channels = cue.channels or 3
    shares = 2 * num_classes if sharpener.scores == "multilabel" else num_classes
    padded = -(-shares // 8) * 8  # the kernel's vectors
    copied = 0 if of_labels else contrasted * channels
    if of_labels:
        neighbours, compared = (1 + compares) * sum(counts), max(counts) if compares else 0
    elif isinstance(cue, EmbeddingCue) and type(cue).weights is EmbeddingCue.weights and sharpener.device.type == "cpu":
        neighbours, compared = 0, (4 + contrasted) * padded if compares else 0  # weights are made where they are used
    else:
        neighbours, compared = max(counts), channels + (3 + contrasted) * padded if compares else 0
    return 4 * (3 + channels + copied + neighbours + max(4 * padded, compared))


def bytes_per_pixel_of_masks(sharpener: Sharpener, together: int) -> int:
    """Return the peak memory in bytes for each pixel of a tile in which so many masks of objects are filtered."""
    neighbours = max(level.window.count for level in sharpener.levels)
    # The weights are there twice: for the tile, and for the part of it where masks are filtered together.
    return 4 * (3 + (sharpener.cue.channels or 3) + 2 * neighbours + (4 + _OF_A_MASK) * together)
