"""Figures of numbers: what is plotted is what was measured."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from matplotlib.text import Text

from crispseg import Window
from crispseg.cues import RGBCue
from crispseg.data import IGNORE_INDEX, LabelledFolder, write_labels
from crispseg.errors import InputError
from crispseg.figures import (
    SurfaceRow,
    TableRow,
    count_distances,
    draw_passes,
    draw_reliability,
    draw_speed,
)
from crispseg.figures.labels import spread
from crispseg.figures.passes import best_lines
from crispseg.figures.speed import pareto_front
from crispseg.figures.tables import DRAWN_METRICS
from crispseg.metrics import Gain
from tests.fakes import write_folder


def table(count: int, *, seed: int = 0) -> list[TableRow]:
    rng = np.random.default_rng(seed)
    rows = []
    for index in range(count):
        gains = {}
        for metric in DRAWN_METRICS:
            gain = float(rng.normal(1, 1))
            gains[metric] = Gain(gain, gain - 0.2, gain + 0.3)
        rows.append(TableRow(f"method {index} of them", f"group {index % 3}", float(10 ** rng.uniform(1, 3)), gains))
    return rows


def test_pairs_are_counted_as_one_by_one(tmp_path: Path) -> None:
    root = write_folder(tmp_path, 2)
    data, window = LabelledFolder(root / "images", root / "labels", void=11), Window(3, dilation=2)
    counts = count_distances(data, RGBCue(), window, farthest=0.5, bins=10, every=2)
    expected = torch.zeros(2, 10, dtype=torch.long)
    image, labels, _ = data.read(0)
    pixels = image.permute(1, 2, 0).float() / 255
    for row in range(48):
        for column in range(64):
            for down, right in ((0, 2), (2, -2), (2, 0), (2, 2)):
                other = (row + down, column + right)
                if not (other[0] < 48 and 0 <= other[1] < 64) or IGNORE_INDEX in (labels[row, column], labels[other]):
                    continue
                distance = float((pixels[row, column] - pixels[other]).abs().sum())
                expected[int(labels[row, column] != labels[other]), min(int(distance * 20), 9)] += 1
    # A distance on the edge of a bin may round to either side.
    assert (counts.same - expected[0]).abs().sum() <= 20
    assert (counts.different - expected[1]).abs().sum() <= 20
    assert counts.same.sum() == expected[0].sum()
    assert counts.different.sum() == expected[1].sum() > 0


def test_the_reliability_figure_shows_both_kinds_of_pairs_and_the_margins(tmp_path: Path) -> None:
    root = write_folder(tmp_path, 1)
    data = LabelledFolder(root / "images", root / "labels", void=11)
    counts = count_distances(data, RGBCue(), Window(3), farthest=1, bins=8)
    histogram, curve = draw_reliability(counts, margins=(0.25, 0.75)).axes
    same, different = (histogram.patches[index].get_data().values for index in (1, 3))  # type: ignore[attr-defined]
    np.testing.assert_allclose(same, 100 * counts.same / counts.same.sum())
    np.testing.assert_allclose(different, 100 * counts.different / counts.different.sum())
    x, y = curve.lines[0].get_data()
    np.testing.assert_allclose(np.asarray(x), np.arange(8) / 8 + 1 / 16)
    np.testing.assert_allclose(np.asarray(y), 100 * counts.different / (counts.same + counts.different))
    assert [list(np.asarray(line.get_xdata())) for line in curve.lines[1:]] == [[0.25] * 2, [0.75] * 2]
    words = [text.get_text() for text in histogram.texts]
    assert words[2:] == ["near 0.25", "far 0.75"]
    assert words[0] == f"same label, {int(counts.same.sum()) / 1000:.3g} k pairs"


def test_labels_without_a_pair_are_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path, 1)
    write_labels(root / "labels" / "scene0.png", torch.full((48, 64), 11))
    data = LabelledFolder(root / "images", root / "labels", void=11)
    with pytest.raises(InputError, match="labels of 1 images have no pair in window"):
        count_distances(data, RGBCue(), Window(3), farthest=1)


def test_a_window_is_drawn_at_the_hardness_with_which_it_gained_most() -> None:
    rows = [
        SurfaceRow(window, 1, hardness, passes, {"miou": passes / window, "trimap_4": hardness / 10})
        for window in (9, 5)
        for hardness in (1, 2)
        for passes in (7, 1, 3)
    ]
    rows[0] = SurfaceRow(9, 1, 1, 7, {"miou": 3.0, "trimap_4": 0.1})
    lines = best_lines(rows)
    assert [[(row.window, row.hardness, row.passes) for row in line] for line in lines] == [
        [(5, 2, 1), (5, 2, 3), (5, 2, 7)],
        [(9, 1, 1), (9, 1, 3), (9, 1, 7)],
    ]
    for axes, metric in zip(draw_passes(rows).axes, DRAWN_METRICS, strict=True):
        for drawn, line in zip(axes.lines[1:], lines, strict=True):
            x, y = drawn.get_data()
            assert list(np.asarray(x)) == [1, 3, 7]
            assert list(np.asarray(y)) == [row.gains[metric] for row in line]
        names = [text.get_text() for text in axes.texts]
        assert names == ["5×5, λ 2", "9×9, λ 1"]


def test_names_of_lines_do_not_overlap() -> None:
    gains = {window: {"miou": 1.0, "trimap_4": 2.0 + window / 1000} for window in (5, 7, 9, 11, 15)}
    rows = [SurfaceRow(window, 1, 5, passes, gain) for window, gain in gains.items() for passes in (1, 7)]
    page = draw_passes(rows)
    page.canvas.draw()
    names = [Text.get_window_extent(text) for axes in page.axes for text in axes.texts]  # without its line
    assert len(names) == 10
    for index, box in enumerate(names):
        assert 0 <= box.x0 < box.x1 <= page.bbox.x1
        assert not any(box.overlaps(other) for other in names[:index])


@given(st.lists(st.floats(-5, 5), max_size=8), st.floats(0.1, 2))
@example([5.0] * 6, 2.0)
@example([-5.0] * 6, 2.0)
def test_spread_numbers_keep_gap_order_and_ends(values: list[float], gap: float) -> None:
    for low, high in ((-np.inf, np.inf), (-8, 8)):
        moved = spread(values, gap, low, high)
        order = np.argsort(values, kind="stable")
        assert all(np.diff(np.array(moved)[order]) >= gap - 1e-9)
        assert all(low - 1e-9 <= value <= high + 1e-9 for value in moved)
        if not np.isfinite(low):
            assert sum(moved) == pytest.approx(sum(values), abs=1e-6)


def test_the_speed_figure_plots_the_table() -> None:
    rows = table(9)
    for axes, metric in zip(draw_speed(rows).axes, DRAWN_METRICS, strict=True):
        points = [line for line in axes.lines if line.get_marker() == "o"]
        assert len(points) == 9
        for row, point in zip(rows, points, strict=True):
            x, y = point.get_data()
            assert (float(np.asarray(x)[0]), float(np.asarray(y)[0])) == (row.milliseconds, row.gains[metric].value)
            beaten = any(
                other is not row
                and other.milliseconds <= row.milliseconds
                and other.gains[metric].value >= row.gains[metric].value
                for other in rows
            )
            assert (point.get_markerfacecolor() == "white") == beaten
        bars = [np.asarray(line.get_ydata()) for line in axes.lines if line.get_linewidth() == 0.6][1:]
        assert [tuple(bar) for bar in bars] == [(row.gains[metric].low, row.gains[metric].high) for row in rows]
        assert axes.get_xscale() == "log"


def test_names_of_axes_lie_on_the_page() -> None:
    figure = draw_speed(table(6))
    for axes in figure.axes:
        axes.set_yticks([-0.25, 0, 1.25])  # two digits behind the point push the name of the axis outward
    figure.canvas.draw()
    for label in (label for axes in figure.axes for label in (axes.xaxis.label, axes.yaxis.label)):
        box = label.get_window_extent()
        assert figure.bbox.contains(box.x0, box.y0), label
        assert figure.bbox.contains(box.x1, box.y1), label


def test_of_equal_rows_one_is_on_the_front() -> None:
    row = table(1)[0]
    worse = replace(row, name="worse", gains={"miou": Gain(row.gains["miou"].value - 1, 0, 0)})
    assert [row.name for row in pareto_front([worse, row, row, worse], "miou")] == [row.name]


@pytest.mark.parametrize("seed", range(3))
def test_names_of_methods_overlap_nothing(seed: int) -> None:
    rows = table(24, seed=seed)
    for axes, metric in zip(draw_speed(rows).axes, DRAWN_METRICS, strict=True):
        names = [text.get_window_extent() for text in axes.texts if text.get_text().startswith("method")]
        assert len(names) == 24
        frame = axes.get_window_extent()
        points = axes.transData.transform([(row.milliseconds, row.gains[metric].value) for row in rows])
        for index, box in enumerate(names):
            assert not any(box.overlaps(other) for other in names[:index])
            assert not any(box.contains(*point) for point in points)
            assert frame.x0 <= box.x0 < box.x1 <= frame.x1
            assert frame.y0 <= box.y0 < box.y1 <= frame.y1


def test_too_many_methods_and_no_time_are_refused() -> None:
    wide = [replace(row, name=60 * "wide") for row in table(30)]
    with pytest.raises(InputError, match="30 names are too many for the figure; choose fewer rows"):
        draw_speed(wide)
    with pytest.raises(InputError, match="row 'x' took 0 ms; expected a time above 0"):
        draw_speed([TableRow("x", "g", 0, {metric: Gain(0, 0, 0) for metric in DRAWN_METRICS})])
