"""What figures show agrees with what they are drawn from."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from PIL import Image

from crispseg import InputError, Window
from crispseg.cli.main import main
from crispseg.cues import LearnedCue, RGBCue
from crispseg.data import LabelledFolder
from crispseg.figures import (
    SurfaceRow,
    TableRow,
    compute_masks,
    count_distances,
    draw_passes,
    draw_reliability,
    draw_speed,
    read_surface,
    read_table,
    write_figure,
)
from crispseg.figures.comparison import paint
from crispseg.figures.contours import contour_lines
from crispseg.figures.embedding import principal_components
from crispseg.figures.labels import spread
from crispseg.figures.passes import best_lines
from crispseg.figures.speed import pareto_front
from crispseg.figures.tables import Interval
from tests.fakes import write_boundaries, write_coarse_scores, write_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images with labels, coarse scores and boundary maps."""
    write_folder(tmp_path)
    write_coarse_scores(tmp_path, tmp_path / "scores")
    write_boundaries(tmp_path, tmp_path / "edges")
    return tmp_path


def row(name: str, milliseconds: float, gain: float, group: str = "peers") -> dict[str, Any]:
    metric = {"value": 60 + gain, "gain": gain, "low": gain - 0.4, "high": gain + 0.3}
    return {
        "name": name,
        "group": group,
        "milliseconds": milliseconds,
        "metrics": {"miou": metric, "trimap_4": {**metric, "gain": 2 * gain, "high": 2 * gain + 0.3}},
    }


ROWS = [row("baseline", 5, 0, "baseline"), row("ours", 120, 1.8, "tuned"), row("CRF", 900, 1.2), row("slow", 1000, 1.1),
        row("oracle", 90, 7, "bound")]  # fmt: skip


def write_tables(root: Path) -> None:
    (root / "table.json").write_text(json.dumps({"rows": ROWS}))
    surface = [
        {
            "window": window,
            "dilation": 1,
            "hardness": hardness,
            "passes": passes,
            "miou": passes / window / hardness,
            "trimap_4": 0.1,
        }
        for window, hardness, passes in itertools.product((5, 9), (2, 4), (1, 7, 25))
    ]
    (root / "surface.json").write_text(json.dumps({"rows": surface}))


def options_of(root: Path, figure: str) -> list[str]:
    image, scores = str(root / "images" / "scene0.png"), str(root / "scores" / "scene0.npy")
    folder = ["--images", str(root / "images"), "--labels", str(root / "labels"), "--void", "11"]
    return {
        "boundary": [image, "--prediction", scores],
        "embedding": [image, "--pixels", "20,20", "40,30", "--window", "5"],
        "comparison": [*folder, "--predictions", str(root / "scores"), "--cue", "rgb", "--names", "scene2", "scene0"],
        "reliability": [*folder, "--window", "5"],
        "passes": [str(root / "surface.json")],
        "speed": [str(root / "table.json")],
    }[figure]


WIDTHS = {"boundary": 6.9, "embedding": 6.9, "comparison": 6.9, "reliability": 3.3, "passes": 3.3, "speed": 6.9}


@pytest.mark.parametrize("figure", WIDTHS)
def test_every_figure_is_as_wide_as_its_place_and_the_same_every_time(figure: str, root: Path) -> None:
    write_tables(root)
    command = ["figure", figure, *options_of(root, figure), "--output"]
    for name in ("a.png", "b.png", "a.pdf", "b.pdf"):
        assert main([*command, str(root / name)]) == 0
    with Image.open(root / "a.png") as picture:
        assert picture.width == pytest.approx(WIDTHS[figure] * 300, abs=1)
        assert np.asarray(picture.convert("L")).std() > 5
    assert (root / "a.pdf").read_bytes().startswith(b"%PDF")
    for ending in ("png", "pdf"):
        assert (root / f"a.{ending}").read_bytes() == (root / f"b.{ending}").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["boundary", "{0}/images/scene0.png", "--prediction", "{0}/scores/scene0.npy", "--output", "{0}/a.jpg"],
         "unknown ending; expected .png or .pdf"),
        (["embedding", "{0}/images/scene0.png", "--pixels", "20;20", "--output", "{0}/a.png"],
         "'20;20' is no pixel; expected two whole numbers"),
        (["embedding", "{0}/images/scene0.png", "--pixels", "64,20", "--output", "{0}/a.png"],
         "lies outside the image"),
        (["embedding", "{0}/images/scene0.png", "--cue", "none", "--output", "{0}/a.png"], "has no embedding to draw"),
        (["speed", "{0}/none.json", "--output", "{0}/a.png"], "none.json: cannot be read"),
        (["speed", "{0}/table.json", "--rows", "ours", "theirs", "--output", "{0}/a.png"], "no row 'theirs'"),
        (["passes", "{0}/table.json", "--output", "{0}/a.png"], "row 1 has no 'window'"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_one_line(
    arguments: list[str], message: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tables(root)
    assert main(["figure", *(argument.format(root) for argument in arguments)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (root / "a.png").exists()


def test_a_dense_crf_adds_two_columns(root: Path) -> None:
    pytest.importorskip("pydensecrf")
    heights = []
    for options in ([], ["--crf", "1,5,30,1,1"]):
        command = ["figure", "comparison", *options_of(root, "comparison"), *options, "--output", str(root / "a.png")]
        assert main(command) == 0
        with Image.open(root / "a.png") as picture:
            heights.append(picture.height)
    assert heights[1] < heights[0], "six columns are narrower than four, and so lower"


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_contours_run_between_all_pixels_of_two_labels_and_no_others(seed: int) -> None:
    labels = torch.randint(0, 3, (5, 7), generator=torch.Generator().manual_seed(seed))
    covered = set()
    for (x0, y0), (x1, y1) in contour_lines(labels).tolist():
        assert (x0 == x1) != (y0 == y1)
        if x0 == x1:
            covered |= {
                ((int(y + 0.5), int(x0 - 0.5)), (int(y + 0.5), int(x0 + 0.5)))
                for y in np.arange(min(y0, y1), max(y0, y1))
            }
        else:
            covered |= {
                ((int(y0 - 0.5), int(x + 0.5)), (int(y0 + 0.5), int(x + 0.5)))
                for x in np.arange(min(x0, x1), max(x0, x1))
            }
    beside = [((r, c), (r + down, c + 1 - down)) for r in range(5) for c in range(7) for down in (0, 1)
              if r + down < 5 and c + 1 - down < 7]  # fmt: skip
    assert covered == {(a, b) for a, b in beside if labels[a] != labels[b]}


def test_void_is_grey_and_labels_have_their_colours() -> None:
    colours = torch.tensor([[10, 20, 30], [40, 50, 60]])
    assert paint(torch.tensor([[1, 255]]), colours)[:, 0].T.tolist() == [[40, 50, 60], [225, 225, 225]]


def test_principal_components_are_the_directions_that_vary_most() -> None:
    generator = torch.Generator().manual_seed(0)
    ramps = torch.stack([torch.randn(20, 30, generator=generator) * scale for scale in (9.0, 3.0, 1.0, 0.1)])
    basis = torch.linalg.qr(torch.randn(8, 4, generator=generator)).Q
    shown = principal_components(torch.einsum("dk,khw->dhw", basis, ramps)).float()
    for component, ramp in zip(shown, ramps[:3], strict=True):
        correlation = torch.corrcoef(
            torch.stack([component.flatten(), ramp.flatten().clamp(*ramp.quantile(torch.tensor([0.01, 0.99])))])
        )
        assert abs(float(correlation[0, 1])) > 0.97
        assert (int(component.min()), int(component.max())) == (0, 255)
    assert principal_components(torch.ones(1, 4, 4))[1:].unique().tolist() == [128]


def test_a_mask_of_one_pass_is_the_weights_of_the_window() -> None:
    image = torch.randint(0, 256, (3, 15, 17), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    cue, window = RGBCue(), Window(5)
    masks = compute_masks(image, cue, window, pixels=[(8, 7)], hardness=3.0)
    weights = cue.weights(image[None].float() / 255, window, 3.0)[0, :, 7, 8].reshape(5, 5)
    torch.testing.assert_close(masks.learned[0, 5:10, 6:11], weights / weights.max(), rtol=1e-4, atol=1e-5)
    assert masks.learned.count_nonzero() <= 25
    wider = compute_masks(image, cue, window, pixels=[(8, 7)], hardness=3.0, iterations=3)
    assert wider.learned.count_nonzero() > 25


def test_chosen_pixels_lie_at_boundaries_and_apart() -> None:
    image = torch.zeros(3, 40, 60, dtype=torch.uint8)
    image[:, :, 30:] = 200
    masks = compute_masks(image, LearnedCue(torch.nn.Identity()), Window(5), count=3, apart=9)
    assert len(masks.pixels) == 3
    assert all(25 <= x <= 34 for x, _ in masks.pixels)
    for (x, y), (u, v) in itertools.combinations(masks.pixels, 2):
        assert max(abs(x - u), abs(y - v)) > 9


def test_pairs_are_counted_by_distance_and_label(root: Path) -> None:
    data = LabelledFolder(root / "images", root / "labels", 11)
    counts = count_distances(data, RGBCue(), Window(3), farthest=1.5, bins=6, every=3)
    image, labels = data.read(0).image.double() / 255, data.read(0).labels
    expected = np.zeros((2, 6), dtype=int)
    height, width = labels.shape
    for y, x, (down, right) in itertools.product(range(height), range(width), ((0, 1), (1, -1), (1, 0), (1, 1))):
        v, u = y + down, x + right
        if v < height and 0 <= u < width and 255 not in (int(labels[y, x]), int(labels[v, u])):
            distance = float((image[:, y, x] - image[:, v, u]).abs().sum())
            expected[int(labels[y, x] != labels[v, u]), min(int(distance / 0.25), 5)] += 1
    found = np.stack([counts.same.numpy(), counts.different.numpy()])
    assert found.sum() == expected.sum()
    assert np.abs(found - expected).sum() <= 4, "a distance may round over the edge of a bin"
    share = counts.different_share
    filled = expected.sum(0) > 50
    np.testing.assert_allclose(share.numpy()[filled], (expected[1] / expected.sum(0).clip(1))[filled], atol=0.02)
    assert len(draw_reliability(counts, margins=(0.5, 2.0)).axes) == 2


def table_rows(points: Sequence[tuple[float, float]]) -> list[TableRow]:
    def interval(gain: float) -> Interval:
        return Interval(gain, gain - 0.2, gain + 0.2)

    return [
        TableRow(f"method {i}", f"group {i % 3}", time, {"miou": interval(gain), "trimap_4": interval(gain)})
        for i, (time, gain) in enumerate(points)
    ]


@settings(max_examples=30, deadline=None)
@given(points=st.lists(st.tuples(st.integers(1, 9), st.integers(-3, 5)), min_size=1, max_size=8))
def test_the_front_is_what_no_other_row_beats(points: list[tuple[int, int]]) -> None:
    rows = table_rows([(float(time), float(gain)) for time, gain in points])
    front = {(row.milliseconds, row.gains["miou"].gain) for row in pareto_front(rows, "miou")}
    expected = {
        (time, gain) for time, gain in points
        if not any(t <= time and g >= gain and (t, g) != (time, gain) for t, g in points)
    }  # fmt: skip
    assert front == expected


@given(values=st.lists(st.floats(-5, 5), min_size=1, max_size=9), gap=st.floats(0.1, 2))
def test_numbers_are_moved_apart_in_their_order(values: list[float], gap: float) -> None:
    moved = spread(values, gap)
    ordered = [moved[index] for index in sorted(range(len(values)), key=lambda index: values[index])]
    assert all(after - before >= gap - 1e-9 for before, after in itertools.pairwise(ordered))
    if len(values) == 1:
        assert moved == pytest.approx(values)


def boxes_of(figure: Figure) -> list[tuple[int, Any]]:
    return [(number, text.get_window_extent()) for number, axes in enumerate(figure.axes) for text in axes.texts
            if text.get_text()]  # fmt: skip


def test_names_of_methods_do_not_lie_over_each_other() -> None:
    generator = np.random.default_rng(0)
    points = [(float(10 ** generator.uniform(1, 3)), float(generator.uniform(-1, 3))) for _ in range(14)]
    figure = draw_speed(table_rows(points))
    boxes = boxes_of(figure)
    assert len(boxes) >= 28
    for (first, one), (second, other) in itertools.combinations(boxes, 2):
        assert first != second or not one.overlaps(other)


def test_points_of_a_figure_are_those_of_the_table(root: Path) -> None:
    write_tables(root)
    rows = read_table(root / "table.json")
    assert [(row.name, row.milliseconds, row.gains["trimap_4"].gain) for row in rows] == [
        (row["name"], row["milliseconds"], row["metrics"]["trimap_4"]["gain"]) for row in ROWS
    ]
    axes = draw_speed(rows).axes[0]
    drawn = {tuple(np.asarray(line.get_xydata())[0].tolist()) for line in axes.lines if line.get_marker() == "o"}
    assert drawn == {(row["milliseconds"], row["metrics"]["miou"]["gain"]) for row in ROWS}


def test_a_line_of_passes_is_that_of_the_best_hardness(root: Path) -> None:
    write_tables(root)
    rows = read_surface(root / "surface.json")
    lines = best_lines(rows)
    assert [[(row.window, row.hardness, row.passes) for row in line] for line in lines] == [
        [(window, 2, passes) for passes in (1, 7, 25)] for window in (5, 9)
    ]
    assert len(draw_passes(rows).axes) == 2


def test_tables_of_another_kind_are_refused(root: Path) -> None:
    for text, message in (
        ("{", "no JSON"),
        ("{}", "has no rows"),
        (json.dumps({"rows": [{**ROWS[0], "milliseconds": None}]}), "its 'milliseconds' is None, no number"),
    ):
        (root / "table.json").write_text(text)
        with pytest.raises(InputError, match=message):
            read_table(root / "table.json")
    with pytest.raises(InputError, match="took 0 ms"):
        draw_speed(table_rows([(0.0, 1.0)]))


def test_a_figure_is_written_whole_or_not_at_all(root: Path) -> None:
    figure = draw_passes([SurfaceRow(5, 1, 2.0, 1, {"miou": 1.0, "trimap_4": 1.0})])
    (root / "taken.png").mkdir()
    with pytest.raises(InputError, match=r"taken.png: not a file"):
        write_figure(figure, root / "taken.png")
    with pytest.raises(InputError, match="unknown ending"):
        write_figure(figure, root / "a.svg")
