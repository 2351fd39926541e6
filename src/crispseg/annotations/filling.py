"""Masks of polygons."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

Ring = NDArray[np.float64]
"""(N, 2) x and y of the vertices of a closed line, in pixels; the first is not repeated. Pixel (0, 0) spans 0 to 1."""

Part = Sequence[Ring]
"""An outline, and the holes in it."""

Mask = NDArray[np.bool_]
"""(H, W)."""


def fill(parts: Iterable[Part], height: int, width: int) -> Mask:
    """Return the (height, width) mask of the pixels whose centres lie in any of the parts.

    A part holds what an odd number of its rings surround, so that the direction of a ring does not matter.

    Example:
        >>> fill([[np.array([[1.0, 0], [3, 0], [3, 2], [1, 2]])]], 2, 4).astype(int)
        array([[0, 1, 1, 0],
               [0, 1, 1, 0]])
    """
    mask = np.zeros((height, width), bool)
    for part in parts:
        crossings = [_crossings(ring, height, width) for ring in part]
        if not crossings:
            continue
        counts = np.bincount(np.concatenate(crossings), minlength=height * (width + 1)).reshape(height, width + 1)
        rows = np.flatnonzero(counts[:, :width].any(1))
        mask[rows] |= (counts[rows, :width].cumsum(1) & 1).astype(bool)
    return mask


def _crossings(ring: Ring, height: int, width: int) -> NDArray[np.intp]:
    """Return, for every line of pixel centres that an edge crosses, the flat index of the first pixel right of it."""
    begin, end = ring, np.roll(ring, -1, axis=0)
    low, high = np.minimum(begin[:, 1], end[:, 1]), np.maximum(begin[:, 1], end[:, 1])
    first, last = (np.clip(np.ceil(side - 0.5), 0, height).astype(np.intp) for side in (low, high))
    counts = last - first
    edges = np.repeat(np.arange(len(ring)), counts)
    rows = np.arange(len(edges)) - np.repeat(counts.cumsum() - counts, counts) + first[edges]
    (left, top), (right, bottom) = begin[edges].T, end[edges].T
    across = left + (rows + 0.5 - top) * (right - left) / (bottom - top)
    columns = np.clip(np.ceil(across - 0.5), 0, width).astype(np.intp)
    flat: NDArray[np.intp] = rows * (width + 1) + columns
    return flat
