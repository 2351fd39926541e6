"""Lines around the regions of a label map, in which neighbours share their vertices."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_OUTSIDE = -1
_RIGHT, _DOWN, _LEFT, _UP = range(4)
_ROWS, _COLUMNS = np.array([0, 1, 0, -1]), np.array([1, 0, -1, 0])
"""Steps to the right, down, left and up along the edges of pixels: each is a turn to the right from the one before."""

Numbers = NDArray[np.int64]
Points = NDArray[np.float64]
"""(N, 2) x and y, in pixels; pixel (0, 0) spans 0 to 1."""


class Traced(NamedTuple):
    """Polygons around regions, in the flat form that Shapely and Arrow use: the outline of each, then its holes."""

    labels: Numbers
    """The label of each polygon."""
    points: Points
    """The vertices of all rings; the first of a ring is repeated at its end."""
    rings: Numbers
    """Where each ring begins among the points, and where the last one ends."""
    polygons: Numbers
    """Where each polygon begins among the rings, and where the last one ends."""


def trace(labels: Numbers) -> Traced:
    """Return a polygon around each connected region of a label above 0.

    A line goes through the middles of the pixel edges between two regions, and through the corners where more regions
    or edges of the image meet. So neighbours have the same vertices, a straight boundary has no stairs at any angle,
    and a line still surrounds exactly the centres of the region's pixels. Outlines run clockwise on the screen, holes
    against the clock. Where pixels touch at a corner only, those of the larger label are connected.

    Args:
        labels: (H, W); 0 is no region.

    Example:
        >>> trace(np.array([[1, 1], [0, 1]])).points.tolist()
        [[2.0, 0.0], [2.0, 2.0], [1.0, 2.0], [1.0, 1.5], [0.5, 1.0], [0.0, 1.0], [0.0, 0.0], [2.0, 0.0]]
    """
    edges = _edges(np.pad(labels, 1, constant_values=_OUTSIDE))
    order, starts = _followed(edges.following)
    ring = np.empty_like(order)
    ring[order] = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(order)))
    outline = _outlines(edges, ring, len(starts))
    sequence = np.lexsort((outline != np.arange(len(starts)), outline))  # each outline, then its holes
    found, first = np.unique(outline[sequence], return_index=True)
    rank = np.empty_like(sequence)
    rank[sequence] = np.arange(len(sequence))
    ordered = order[np.argsort(rank[ring[order]], kind="stable")]
    points, rings = _points(edges, ordered, rank[ring[ordered]], len(starts))
    return Traced(edges.label[order[starts[found]]], points, rings, np.append(first, len(starts)))


class _Edges(NamedTuple):
    """Edges of pixels with a region on their right, one in each row; those of a step from top to bottom."""

    label: Numbers
    begin: Points
    end: Points
    step: Numbers
    inner: NDArray[np.bool_]
    """Whether the edge lies inside the image; the middle of another is no vertex."""
    meeting: NDArray[np.bool_]
    """Whether the end is a vertex too."""
    following: Numbers
    """The next edge around the region."""


def _edges(padded: Numbers) -> _Edges:
    width = padded.shape[1]
    flat = padded.ravel()
    # From a corner of pixels, the pixels ahead to the right and to the left, for each step.
    forward = _ROWS * width + _COLUMNS
    right, left = np.array([0, -1, -width - 1, -width]), np.array([-width, 0, -1, -width - 1])
    begin, step = _starts(padded)
    end = begin + forward[step]
    own, other = flat[begin + right[step]], flat[begin + left[step]]
    ahead, across = flat[end + right[step]], flat[end + left[step]]
    joined = (ahead == own) | (other != ahead) | (own > other)
    turn = np.where((across == own) & joined, -1, np.where(ahead == own, 0, 1))
    keys, wanted = begin * 4 + step, end * 4 + (step + turn) % 4
    order = np.argsort(keys)
    following = order[np.searchsorted(keys, wanted, sorter=order)]
    changes = (own != ahead) * 1 + (ahead != across) + (across != other) + (other != own)
    meeting = (changes == 3) | ((changes == 4) & (own != across) & (ahead != other))
    corner_of_image = (ahead == _OUTSIDE) & (across == _OUTSIDE) & (other == _OUTSIDE)
    return _Edges(
        own, _place(begin, width), _place(end, width), step, other != _OUTSIDE, meeting | corner_of_image, following
    )


def _starts(padded: Numbers) -> tuple[Numbers, Numbers]:
    """Return the corner at which each edge of a region begins, as a flat index, and its step."""
    inner, width = padded[1:-1, 1:-1], padded.shape[1]
    corners, steps = [], []
    for step in range(4):
        # The pixel on the other side of the edge lies to the left of the step.
        down, over = -_COLUMNS[step], _ROWS[step]
        beside = padded[1 + down : padded.shape[0] - 1 + down, 1 + over : width - 1 + over]
        rows, columns = np.nonzero((inner > 0) & (inner != beside))
        corners.append((rows + 1 + (step >= _LEFT)) * width + columns + 1 + (step in (_DOWN, _LEFT)))
        steps.append(np.full(len(rows), step))
    return np.concatenate(corners), np.concatenate(steps)


def _place(corners: Numbers, width: int) -> Points:
    """Return x and y of corners in the image."""
    return np.stack([corners % width, corners // width], axis=1).astype(np.float64) - 1


def _followed(following: Numbers) -> tuple[Numbers, Numbers]:
    """Return the edges ring by ring, and where each ring begins."""
    after, visited = following.tolist(), bytearray(len(following))
    order, starts = list[int](), list[int]()
    for start in range(len(after)):
        if visited[start]:
            continue
        starts.append(len(order))
        at = start
        while not visited[at]:
            visited[at] = True
            order.append(at)
            at = after[at]
    return np.array(order, np.int64), np.array(starts, np.int64)


def _outlines(edges: _Edges, ring: Numbers, count: int) -> Numbers:
    """Return the outline around each ring; that of an outline is itself.

    A run of pixels in a row is within one region, from an edge of one ring to an edge of another or the same. From the
    leftmost edge of a hole, the run to its left leads to the outline, or to a hole further left.
    """
    area = np.bincount(ring, -edges.begin[:, 1] * _COLUMNS[edges.step], count)
    ups, downs = np.flatnonzero(edges.step == _UP), np.flatnonzero(edges.step == _DOWN)  # the ends of each run
    order = np.lexsort((edges.begin[downs, 0], ring[downs]))
    leftmost = order[np.unique(ring[downs][order], return_index=True)[1]]
    found = np.where(area > 0, np.arange(count), ring[ups[leftmost]])
    while (found != (further := found[found])).any():
        found = further
    return found


def _points(edges: _Edges, order: Numbers, ring: Numbers, count: int) -> tuple[Points, Numbers]:
    """Return the vertices of all rings, and where each ring begins, given the edges ring by ring."""
    both = np.stack([(edges.begin + edges.end) / 2, edges.end], axis=1)[order].reshape(-1, 2)
    kept = np.stack([edges.inner, edges.meeting], axis=1)[order].ravel()
    counts = np.bincount(np.repeat(ring, 2)[kept], minlength=count)
    ends = counts.cumsum()
    points = both[kept]
    return np.insert(points, ends, points[ends - counts], axis=0), np.append(0, (counts + 1).cumsum())
