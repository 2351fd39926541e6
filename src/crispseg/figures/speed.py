"""Gains of methods against their time."""

from collections.abc import Sequence
from itertools import cycle, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from crispseg.errors import InputError
from crispseg.figures.labels import line_boxes, place_names
from crispseg.figures.page import GREY, OKABE_ITO, TEXT_WIDTH, Place, add_axes, house_style, new_figure
from crispseg.figures.tables import DRAWN_METRICS, TableRow

_MARKER = 4.0
"""Diameter of a marker, in points."""


@house_style()
def draw_speed(rows: Sequence[TableRow]) -> Figure:
    """Draw gains in points against milliseconds per image; mIoU above trimap mIoU.

    Every group has a colour; every row has its name and the 95 % interval of its gain. Markers of rows on the Pareto
    front, which no other row beats in both gain and time, are filled.

    Args:
        rows: Rows of the table, from `read_table`.

    Raises:
        InputError: If the time of a row is 0 or less, or there is no room for all names.
    """
    for row in rows:
        if row.milliseconds <= 0:
            raise InputError(f"row {row.name!r} took {row.milliseconds:g} ms; expected a time above 0")
    height = 3.0
    figure = new_figure(TEXT_WIDTH, 2 * height + 0.6)
    for index, (metric, word) in enumerate(DRAWN_METRICS.items()):
        axes = add_axes(figure, Place(0.6, 0.08 + index * (height + 0.12), TEXT_WIDTH - 0.7, height))
        axes.set_ylabel(f"gain in {word} (points)")
        _draw_rows(axes, rows, metric)
        axes.tick_params(labelbottom=index == 1)
    axes.set_xlabel("milliseconds per image")
    return figure


def pareto_front(rows: Sequence[TableRow], metric: str) -> list[TableRow]:
    """Return the rows that no other row beats in both time and gain, fastest first."""
    front: list[TableRow] = []
    for row in sorted(rows, key=lambda row: (row.milliseconds, -row.gains[metric].value)):
        if not front or row.gains[metric].value > front[-1].gains[metric].value:
            front.append(row)
    return front


def _draw_rows(axes: Axes, rows: Sequence[TableRow], metric: str) -> None:
    front = pareto_front(rows, metric)
    colours = dict(zip(dict.fromkeys(row.group for row in rows), cycle(OKABE_ITO), strict=False))
    axes.axhline(0, color=GREY, linewidth=0.6, zorder=0)
    corners = _corners(front, metric)
    axes.plot(*zip(*corners, strict=True), color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), zorder=0)
    for row in rows:
        gain, colour = row.gains[metric], colours[row.group]
        axes.plot([row.milliseconds] * 2, [gain.low, gain.high], color=colour, linewidth=0.6, zorder=2)
        filled = colour if row in front else "white"
        axes.plot(row.milliseconds, gain.value, "o", markersize=_MARKER, color=colour, markerfacecolor=filled, zorder=3)
    _scale(axes, rows)
    place_names(
        axes,
        [(row.milliseconds, row.gains[metric].value) for row in rows],
        [row.name for row in rows],
        [colours[row.group] for row in rows],
        np.concatenate([*(_marks(axes, row, metric) for row in rows), *_lines(axes, corners)]),
    )


def _corners(front: Sequence[TableRow], metric: str) -> list[tuple[float, float]]:
    """Return x, y of the corners of the staircase along the front."""
    points = [(row.milliseconds, row.gains[metric].value) for row in front]
    between = [(after[0], before[1]) for before, after in pairwise(points)]
    return [points[0], *(point for pair in zip(between, points[1:], strict=True) for point in pair)]


def _lines(axes: Axes, corners: Sequence[tuple[float, float]]) -> list[np.ndarray]:
    """Return boxes along the front and along the line of zero gain."""
    points = axes.transData.transform(corners)
    zero = axes.transData.transform([(x, 0) for x in axes.get_xlim()])
    return [line_boxes(start, end) for start, end in [*pairwise(points), tuple(zero)]]


def _scale(axes: Axes, rows: Sequence[TableRow]) -> None:
    """Set a logarithmic axis of milliseconds with plain numbers, and leave some room for names."""
    axes.set_xscale("log")
    times = [row.milliseconds for row in rows]
    axes.set_xlim(min(times) / 1.5, max(times) * 4)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylim(*axes.get_ylim())  # fix the limits, since names are placed within them


def _marks(axes: Axes, row: TableRow, metric: str) -> np.ndarray:
    """Return (2, 4): the boxes that the marker and the bar of a row cover, in pixels."""
    gain = row.gains[metric]
    half = _MARKER / 2 * axes.figure.dpi / 72
    points = [(row.milliseconds, value) for value in (gain.value, gain.low, gain.high)]
    middle, low, high = axes.transData.transform(points)
    return np.array([[*middle - half, *middle + half], [low[0] - 1, low[1], high[0] + 1, high[1]]])
