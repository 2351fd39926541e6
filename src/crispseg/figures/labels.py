"""Names beside what they name, without overlaps."""

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
_NEAR = 12.0
"""Points up to which a name needs no line to what it names."""


def spread(values: Sequence[float], gap: float) -> list[float]:
    """Move numbers apart to at least a gap, in their order and with their mean.

    Example:
        >>> spread([1.0, 5.0, 1.0], gap=2)
        [0.0, 5.0, 2.0]
    """
    moved = [0.0] * len(values)
    groups: list[list[int]] = []
    for index in sorted(range(len(values)), key=lambda index: values[index]):
        groups.append([index])
        # A group lies around its mean; one that reaches into the one before joins it.
        while len(groups) > 1 and _reach(values, groups[-2], gap)[1] + gap > _reach(values, groups[-1], gap)[0]:
            groups[-2:] = [groups[-2] + groups[-1]]
    for group in groups:
        first = _reach(values, group, gap)[0]
        for place, index in enumerate(group):
            moved[index] = first + place * gap
    return moved


def _reach(values: Sequence[float], group: Sequence[int], gap: float) -> tuple[float, float]:
    middle, half = sum(values[index] for index in group) / len(group), gap * (len(group) - 1) / 2
    return middle - half, middle + half


def place_names(
    axes: Axes, points: Sequence[tuple[float, float]], names: Sequence[str], colours: Sequence[str], taken: np.ndarray
) -> list[Text]:
    """Write the name of every point at the nearest place within the axes that is free, in the order given.

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
    texts = []
    for point, name, colour in zip(points, names, colours, strict=True):
        text = axes.text(*point, name, color=colour, ha="center", va="center")
        extent = text.get_window_extent()
        anchor = axes.transData.transform(point)
        size = np.array([extent.width, extent.height]) + 2 * _MARGIN * pixel
        boxes = _candidates(frame, anchor, size, _STEP * pixel)
        free = boxes[~_overlap(boxes, taken).any(1)]
        if not len(free):
            raise InputError(f"{len(names)} names are too many for the figure; choose fewer rows")
        box = free[np.argmin(_cost(free, anchor))]
        middle = axes.transData.inverted().transform((box[:2] + box[2:]) / 2)
        text.set_position(tuple(middle))
        if _distance(box, anchor) > _NEAR * pixel:
            _lead(axes, anchor, box, colour)
        taken = np.concatenate([taken, box[None]])
        texts.append(text)
    return texts


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


def _lead(axes: Axes, anchor: np.ndarray, box: np.ndarray, colour: str) -> None:
    """A thin line from the point to its name."""
    ends = np.stack([anchor, anchor.clip(box[:2], box[2:])])
    x, y = axes.transData.inverted().transform(ends).T
    axes.plot(x, y, color=colour, linewidth=0.4, zorder=1)
