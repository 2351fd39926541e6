"""Gains by number of passes and window size."""

from collections.abc import Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from crispseg.figures.labels import spread
from crispseg.figures.page import COLUMN_WIDTH, GREY, OKABE_ITO, Place, add_axes, house_style, new_figure
from crispseg.figures.tables import DRAWN_METRICS, SurfaceRow

_LINE = 0.14
"""Distance between two labels, in inches."""


@house_style()
def draw_passes(rows: Sequence[SurfaceRow]) -> Figure:
    """Draw gains over the number of passes, with a line for every window; mIoU above trimap mIoU.

    Each window is drawn at its best hardness, by the mean of both metrics.

    Args:
        rows: Gains of all settings, from `read_surface`.
    """
    figure, height = new_figure(COLUMN_WIDTH, 3.6), 1.5
    lines = best_lines(rows)
    for index, (metric, word) in enumerate(DRAWN_METRICS.items()):
        axes = add_axes(figure, Place(0.5, 0.08 + index * (height + 0.12), COLUMN_WIDTH - 1.25, height))
        axes.axhline(0, color=GREY, linewidth=0.6)
        for line, colour in zip(lines, cycle(OKABE_ITO), strict=False):
            passes, gains = [row.passes for row in line], [row.gains[metric] for row in line]
            axes.plot(passes, gains, color=colour, marker="o", markersize=1.8)
        axes.set(ylabel=f"gain in {word} (points)", xlim=(0, max(row.passes for row in rows) * 1.02))
        _name_lines(axes, lines, metric, height)
        axes.tick_params(labelbottom=index == 1)
    axes.set_xlabel("passes of the filter")
    return figure


def best_lines(rows: Sequence[SurfaceRow]) -> list[list[SurfaceRow]]:
    """Return the rows of every window at the hardness with the largest gain, sorted by passes."""

    def gain(row: SurfaceRow) -> float:
        return sum(row.gains.values())

    lines = []
    for window in sorted({(row.window, row.dilation) for row in rows}):
        of_window = [row for row in rows if (row.window, row.dilation) == window]
        hardness = max(of_window, key=gain).hardness
        lines.append(sorted((row for row in of_window if row.hardness == hardness), key=lambda row: row.passes))
    return lines


def _name_lines(axes: Axes, lines: Sequence[Sequence[SurfaceRow]], metric: str, height: float) -> None:
    """Write a name at the end of every line, moved up or down to avoid overlaps."""
    bottom, top = axes.get_ylim()
    dilated = any(line[0].dilation > 1 for line in lines)
    ends = [line[-1].gains[metric] for line in lines]
    line_height = _LINE * (top - bottom) / height
    places = spread(ends, line_height, bottom + line_height / 2, top - line_height / 2)
    for line, place, end, colour in zip(lines, places, ends, cycle(OKABE_ITO), strict=False):
        first = line[0]
        name = f"{first.window}×{first.window}" + (f" d{first.dilation}" if dilated else "") + f", λ {first.hardness:g}"
        axes.annotate(
            name,
            xy=(line[-1].passes, end),
            xytext=(1.04, place),
            textcoords=axes.get_yaxis_transform(),
            va="center",
            color=colour,
            annotation_clip=False,
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.4,
                "shrinkA": 0,
                "shrinkB": 1,
                "relpos": (0, 0.5),
            },
        )
