"""Lines around the regions of a label map, in which neighbours share their vertices."""

from collections import defaultdict
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from crispseg.annotations.filling import Ring

_OUTSIDE = -1
_ROWS, _COLUMNS = np.array([0, 1, 0, -1]), np.array([1, 0, -1, 0])
"""Steps to the right, down, left and up along the edges of pixels: each is a turn to the right from the one before."""

Numbers = NDArray[np.int64]


def trace(labels: Numbers) -> dict[int, list[Ring]]:
    """Return the closed lines around the regions of each label above 0.

    A line goes through the middles of the pixel edges between two regions, and through the corners where more regions
    or edges of the image meet. So neighbours have the same vertices, a straight boundary has no stairs at any angle,
    and a line still surrounds exactly the centres of the region's pixels. Outlines run clockwise on the screen, holes
    against the clock. Where pixels touch at a corner only, those of the larger label are connected.

    Args:
        labels: (H, W); 0 is no region.

    Example:
        >>> trace(np.array([[1, 1], [1, 1]]))[1][0].tolist()[:4]
        [[0.5, 0.0], [1.5, 0.0], [2.0, 0.0], [2.0, 0.5]]
    """
    edges = _edges(np.pad(labels, 1, constant_values=_OUTSIDE))
    following, visited = edges.following.tolist(), bytearray(len(edges.following))
    rings: defaultdict[int, list[Ring]] = defaultdict(list)
    for start in range(len(following)):
        ring, at = [], start
        while not visited[at]:
            visited[at] = True
            ring.append(at)
            at = following[at]
        if ring:
            rings[int(edges.label[start])].append(_points(edges, np.array(ring)))
    return dict(rings)


class _Edges(NamedTuple):
    """Edges of pixels with a region on their right, one in each row."""

    label: Numbers
    middle: Ring
    end: Ring
    kept: NDArray[np.bool_]
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
    start, stop = _place(begin, width), _place(end, width)
    return _Edges(own, (start + stop) / 2, stop, meeting | corner_of_image, following)


def _starts(padded: Numbers) -> tuple[Numbers, Numbers]:
    """Return the corner at which each edge of a region begins, as a flat index, and its step."""
    inner, width = padded[1:-1, 1:-1], padded.shape[1]
    corners, steps = [], []
    for step in range(4):
        # The pixel on the other side of the edge lies to the left of the step.
        down, over = -_COLUMNS[step], _ROWS[step]
        beside = padded[1 + down : padded.shape[0] - 1 + down, 1 + over : width - 1 + over]
        rows, columns = np.nonzero((inner > 0) & (inner != beside))
        corners.append((rows + 1 + (step >= 2)) * width + columns + 1 + (step in (1, 2)))
        steps.append(np.full(len(rows), step))
    return np.concatenate(corners), np.concatenate(steps)


def _place(corners: Numbers, width: int) -> Ring:
    """Return x and y of corners in the image."""
    return np.stack([corners % width, corners // width], axis=1).astype(np.float64) - 1


def _points(edges: _Edges, ring: Numbers) -> Ring:
    both = np.stack([edges.middle[ring], edges.end[ring]], axis=1).reshape(-1, 2)
    kept = np.stack([np.ones(len(ring), bool), edges.kept[ring]], axis=1).ravel()
    points: Ring = both[kept]
    return points
