"""Masks of polygons."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from crispseg.data.box import Box
from crispseg.data.run_lengths import Mask, blank

Ring = NDArray[np.float64]
"""(N, 2) x and y of the vertices of a closed line, in pixels; the first is not repeated. Pixel (0, 0) spans 0 to 1."""

Part = Sequence[Ring]
"""An outline, and the holes in it."""


def fill(parts: Iterable[Part], height: int, width: int) -> Mask:
    """Return the (height, width) mask of the pixels whose centres lie in any of the parts.

    A part holds what an odd number of its rings surround, so that the direction of a ring does not matter.

    Example:
        >>> fill([[np.array([[1.0, 0], [3, 0], [3, 2], [1, 2]])]], 2, 4).astype(int)
        array([[0, 1, 1, 0],
               [0, 1, 1, 0]])
    """
    mask = blank((height, width))
    for part in parts:
        box = box_of(part, height, width)
        crossings = [_crossings(ring, box) for ring in part]
        counts = np.bincount(np.concatenate(crossings), minlength=box.size[0] * (box.size[1] + 1))
        inside = counts.reshape(box.size[0], box.size[1] + 1)[:, :-1].cumsum(1) & 1
        mask[box.slices] |= inside.astype(bool)
    return mask


def pasted(pixels: Mask, box: Box, size: tuple[int, int]) -> Mask:
    """Return a mask of the image's size, with these pixels in a box."""
    mask = blank(size)
    mask[box.slices] = pixels
    return mask


def union(masks: Sequence[Mask], places: Sequence[Box]) -> Mask:
    """Return the pixels that are of any mask, given where each lies."""
    result = np.zeros(masks[0].shape, bool)
    for mask, place in zip(masks, places, strict=True):
        result[place.slices] |= mask[place.slices]
    return result


def box_of(part: Part, height: int, width: int) -> Box:
    """Return the pixels of the image that a part may hold."""
    points = np.concatenate(part)
    ends = np.stack([np.floor(points.min(0)), np.ceil(points.max(0))])
    (left, top), (right, bottom) = np.clip(ends, 0, [width, height]).astype(int).tolist()
    return Box(top, left, bottom, right)


def _crossings(ring: Ring, box: Box) -> NDArray[np.intp]:
    """Return the place of the first pixel right of each edge, for every line of pixel centres that the edge crosses.

    The places count along the rows of the box, which have one place more than pixels.
    """
    begin, end = ring, np.roll(ring, -1, axis=0)
    low, high = np.minimum(begin[:, 1], end[:, 1]), np.maximum(begin[:, 1], end[:, 1])
    first, last = (np.clip(np.ceil(side - 0.5), box.top, box.bottom).astype(np.intp) for side in (low, high))
    counts = last - first
    edges = np.repeat(np.arange(len(ring)), counts)
    rows = np.arange(len(edges)) - np.repeat(counts.cumsum() - counts, counts) + first[edges]
    (left, top), (right, bottom) = begin[edges].T, end[edges].T
    across = left + (rows + 0.5 - top) * (right - left) / (bottom - top)
    columns = np.clip(np.ceil(across - 0.5), box.left, box.right).astype(np.intp)
    flat: NDArray[np.intp] = (rows - box.top) * (box.size[1] + 1) + columns - box.left
    return flat
