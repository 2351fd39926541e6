"""Placement of names beside points and lines, without overlaps."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from crispseg.errors import InputError

_STEP = 3.0
"""Distance between two candidate places, in points."""
_MARGIN = 1.2
"""Free margin around a name, in points."""
_NEAR = 6.0
"""Distance up to which a name needs no line to its point, in points."""
_CHUNK = 256
"""Number of candidate places to check at a time."""
_SAMPLE = 8
"""Distance in pixels between the boxes that stand for a line, less than the height of a name."""


def spread(values: Sequence[float], gap: float, low: float = -math.inf, high: float = math.inf) -> list[float]:
    """Move numbers apart to at least `gap`, as little as possible, keeping their order and staying between two ends.

    Example:
        >>> spread([1.0, 5.0, 1.0], gap=2)
        [0.0, 5.0, 2.0]
        >>> spread([1.0, 5.0, 1.0], gap=2, low=1.0)
        [1.0, 5.0, 3.0]
    """

    def reach(group: Sequence[int]) -> tuple[float, float]:
        """Return the first and last number of a group, centred on its mean as far as the ends allow."""
        length = gap * (len(group) - 1)
        first = sum(values[index] for index in group) / len(group) - length / 2
        first = max(min(first, high - length), low)
        return first, first + length

    groups: list[list[int]] = []
    for index in sorted(range(len(values)), key=lambda index: values[index]):
        groups.append([index])
        while len(groups) > 1 and reach(groups[-2])[1] + gap > reach(groups[-1])[0]:
            groups[-2:] = [groups[-2] + groups[-1]]
    moved = {index: reach(group)[0] + place * gap for group in groups for place, index in enumerate(group)}
    return [moved[index] for index in range(len(values))]


def place_names(
    axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str], colours: Sequence[str], taken: np.ndarray
) -> list[Text]:
    """Write the name of every point at the nearest free place within the axes, starting with the most crowded points.

    Args:
        axes: Axes to write in, whose place and limits are final.
        points: x and y of each point, in data coordinates.
        names: Name of each point.
        colours: Colour of each name.
        taken: (boxes, 4) left, bottom, right and top of boxes that must stay visible, in pixels of the page.

    Returns:
        The texts; none overlaps another or a box.

    Raises:
        InputError: If there is not enough room.
    """
    pixel = axes.figure.dpi / 72  # pixels in a point
    frame = axes.get_window_extent()
    anchors, to_data = axes.transData.transform(points), axes.transData.inverted()
    texts = [
        axes.text(0, 0, name, color=colour, size=7, ha="center", va="center")
        for name, colour in zip(names, colours, strict=True)
    ]
    named, marks = np.empty((0, 4)), np.concatenate([anchors - pixel, anchors + pixel], 1)
    for index in _most_crowded(anchors):
        anchor, extent = anchors[index], texts[index].get_window_extent()
        size = np.array([extent.width, extent.height]) + 2 * _MARGIN * pixel
        boxes = _candidates(frame, anchor, size, _STEP * pixel)
        boxes = boxes[np.argsort(_cost(boxes, anchor), kind="stable")]
        others = np.concatenate([named, np.delete(marks, index, 0)])
        found = _first_free(boxes, anchor, taken, others, _NEAR * pixel)
        if found is None:
            raise InputError(f"{len(names)} names are too many for the figure; choose fewer rows")
        box, lead = found
        texts[index].set_position(tuple(to_data.transform((box[:2] + box[2:]) / 2)))
        if len(lead):
            ends = to_data.transform([anchor, _nearest(box, anchor)])
            axes.plot(*ends.T, color=colours[index], linewidth=0.4, zorder=1)
        taken, named = np.concatenate([taken, box[None], lead]), np.concatenate([named, box[None]])
    return texts


def _most_crowded(anchors: np.ndarray) -> np.ndarray:
    """Return indices of the points, ordered by the sum of the distances to their three nearest neighbours."""
    between = np.hypot(*(anchors[:, None] - anchors[None]).transpose(2, 0, 1))
    return np.argsort(np.sort(between, axis=1)[:, :4].sum(1), kind="stable")


def _first_free(
    boxes: np.ndarray, anchor: np.ndarray, taken: np.ndarray, others: np.ndarray, near: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the first box that covers nothing, with the boxes along the line to it; None if there is no such box.

    Boxes whose line crosses no other name or point are preferred.
    """
    crossing = None
    chunks = np.array_split(boxes, len(boxes) // _CHUNK + 1)
    for box in (box for chunk in chunks for box in chunk[~_overlap(chunk, taken).any(1)]):
        far = _distance(box, anchor) > near
        lead = line_boxes(anchor, _nearest(box, anchor)) if far else np.empty((0, 4))
        if not _overlap(lead, others).any():
            return box, lead
        crossing = crossing or (box, lead)
    return crossing


def _nearest(box: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return the point of a box that is nearest to a given point."""
    return point.clip(box[:2], box[2:])


def _candidates(frame: Bbox, anchor: np.ndarray, size: np.ndarray, step: float) -> np.ndarray:
    """Return (boxes, 4) candidate places within the frame, on a grid through the point."""
    low, high = np.array([frame.x0, frame.y0]) + size / 2, np.array([frame.x1, frame.y1]) - size / 2
    first = np.ceil((low - anchor) / step).astype(int)
    last = np.floor((high - anchor) / step).astype(int)
    x, y = (anchor[i] + step * np.arange(first[i], last[i] + 1) for i in range(2))
    middles = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    return np.concatenate([middles - size / 2, middles + size / 2], 1)


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Return (boxes, others) bool: whether two boxes overlap."""
    one, other = boxes[:, None], others[None]
    return np.asarray((one[..., :2] < other[..., 2:]).all(-1) & (other[..., :2] < one[..., 2:]).all(-1))


def _distance(boxes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return the distance from a point to each box."""
    beyond = np.maximum(boxes[..., :2] - point, point - boxes[..., 2:]).clip(min=0)
    return np.asarray(np.hypot(beyond[..., 0], beyond[..., 1]))


def _cost(boxes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Return the cost of each box: its distance, and for equal distances how far its centre lies off the point."""
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2 - point
    return np.asarray(_distance(boxes, point) + 0.05 * np.hypot(middle[..., 0], middle[..., 1]))


def line_boxes(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Return (boxes, 4) small boxes along a line, all in pixels of the page."""
    steps = np.linspace(0, 1, int(np.abs(end - start).max() / _SAMPLE) + 2)[:, None]
    points = start + steps * (end - start)
    return np.concatenate([points - 1, points + 1], 1)
