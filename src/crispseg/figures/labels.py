"""Names beside what they name, without overlaps."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from crispseg.errors import InputError

_STEP = 3.0
"""Points between two places that are tried."""
_MARGIN = 1.2
"""Points that stay free around a name."""
_NEAR = 6.0
"""Points up to which a name needs no line to what it names."""
_CHUNK = 256
"""Places that are looked at together."""
_SAMPLE = 8
"""Pixels from one box along a line to the next, less than a name is high."""


def spread(values: Sequence[float], gap: float, low: float = -math.inf, high: float = math.inf) -> list[float]:
    """Move numbers apart to at least a gap, in their order, as little as it takes, and between two ends.

    Example:
        >>> spread([1.0, 5.0, 1.0], gap=2)
        [0.0, 5.0, 2.0]
        >>> spread([1.0, 5.0, 1.0], gap=2, low=1.0)
        [1.0, 5.0, 3.0]
    """

    def reach(group: Sequence[int]) -> tuple[float, float]:
        """First and last of a group, which lies around its mean as far as the ends let it."""
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
    """Write the name of every point at the nearest place within the axes that is free, where it is crowded first.

    Args:
        axes: Where; their place and limits do not change any more.
        points: x and y of each, in data.
        names: One for each point.
        colours: One for each name.
        taken: (boxes, 4) left, bottom, right and top of what must stay visible, in pixels of the page.

    Returns:
        The names, none over another or over a box.

    Raises:
        InputError: If there is no place left.
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
    """Indices of the points, those first whose nearest three are nearest."""
    between = np.hypot(*(anchors[:, None] - anchors[None]).transpose(2, 0, 1))
    return np.argsort(np.sort(between, axis=1)[:, :4].sum(1), kind="stable")


def _first_free(
    boxes: np.ndarray, anchor: np.ndarray, taken: np.ndarray, others: np.ndarray, near: float
) -> tuple[np.ndarray, np.ndarray] | None:
    """The first box that covers nothing, and the boxes along the line to it; None where there is none.

    A line that crosses no other name or point is preferred.
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
    """The point of a box that is nearest to another."""
    return point.clip(box[:2], box[2:])


def _candidates(frame: Bbox, anchor: np.ndarray, size: np.ndarray, step: float) -> np.ndarray:
    """(boxes, 4): the places within the frame, in steps from the point outwards."""
    low, high = np.array([frame.x0, frame.y0]) + size / 2, np.array([frame.x1, frame.y1]) - size / 2
    first = np.ceil((low - anchor) / step).astype(int)
    last = np.floor((high - anchor) / step).astype(int)
    x, y = (anchor[i] + step * np.arange(first[i], last[i] + 1) for i in range(2))
    middles = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    return np.concatenate([middles - size / 2, middles + size / 2], 1)


def _overlap(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(boxes, others): which share an area."""
    one, other = boxes[:, None], others[None]
    return np.asarray((one[..., :2] < other[..., 2:]).all(-1) & (other[..., :2] < one[..., 2:]).all(-1))


def _distance(boxes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """From a point to the nearest of each box."""
    beyond = np.maximum(boxes[..., :2] - point, point - boxes[..., 2:]).clip(min=0)
    return np.asarray(np.hypot(beyond[..., 0], beyond[..., 1]))


def _cost(boxes: np.ndarray, point: np.ndarray) -> np.ndarray:
    """Near is good; of equally near places one in the middle above, below or beside the point."""
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2 - point
    return np.asarray(_distance(boxes, point) + 0.05 * np.hypot(middle[..., 0], middle[..., 1]))


def line_boxes(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """(boxes, 4): small boxes along a line, both in pixels of the page."""
    steps = np.linspace(0, 1, int(np.abs(end - start).max() / _SAMPLE) + 2)[:, None]
    points = start + steps * (end - start)
    return np.concatenate([points - 1, points + 1], 1)
