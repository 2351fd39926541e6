"""The benchmark compares with baselines that compute the same, times nothing wrong, and writes every row."""

import importlib.util
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks import baselines, big_image, cases, exported, flicker, many_classes, upsampling
from benchmarks.__main__ import main
from benchmarks.contenders import BOTH, FORWARD, OURS, BenchmarkRow, Contender, prepared
from benchmarks.gate import red_operations
from benchmarks.history import recalled, run_named
from benchmarks.inputs import BenchmarkInputs, Problem
from benchmarks.measure import Timing
from benchmarks.memory import peak_above
from benchmarks.targets import TARGETS
from crispseg import Sharpener, ops
from crispseg.cues import RGBCue
from tests.fakes import write_coarse_scores, write_folder

TINY = Problem(size=9, window_size=5, channels=3, num_classes=2, batch=2)

SAME = [
    pytest.param(row, contender, direction, id=f"{row.name}, {direction}: {contender.name}")
    for row in cases.rows()
    if row.name != "local_contour"  # has a test of its own
    for direction in row.directions
    for contender in row.contenders[1:]
    if contender.same and (contender.learns or direction == FORWARD)
]


def results_of(row: BenchmarkRow, contender: Contender, direction: str) -> tuple[Tensor, ...]:
    return prepared(row, contender, direction, BenchmarkInputs(TINY))()


@pytest.mark.parametrize(("row", "contender", "direction"), SAME)
def test_baselines_compute_what_we_compute(row: BenchmarkRow, contender: Contender, direction: str) -> None:
    if not contender.learns:
        (columns,) = results_of(row, contender, direction)
        assert columns.shape == (2, TINY.shape(contender.inputs[0])[1] * 25, 81)
        return
    expected = results_of(row, row.contenders[0], direction)
    found = results_of(row, contender, direction)
    if row.operations == ("local_filter",) and direction == BOTH:
        # The baselines give a weight outside the image a gradient through the sum of weights; at its distance of
        # infinity that ends.
        *others, weights = found
        found = (*others, weights.masked_fill(BenchmarkInputs(TINY)["weights"] == 0, 0))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_contours_agree_where_a_line_is_its_two_ends() -> None:
    # Wider windows have lines that pass exactly between two pixels, and the centre is a matter of definition.
    row, inputs = cases.row_named("local_contour"), BenchmarkInputs(Problem(size=9, window_size=3))
    ours, unfold, shift = (prepared(row, c, FORWARD, inputs)()[0] for c in row.contenders)
    torch.testing.assert_close(shift, unfold)
    inside = (..., slice(1, -1), slice(1, -1))
    others = [0, 1, 2, 3, 5, 6, 7, 8]
    torch.testing.assert_close(shift[:, others][inside], ours[:, others][inside])


def test_contour_baselines_take_the_largest_on_the_way() -> None:
    boundary = torch.tensor([0.1, 0.9, 0.2, 0.3, 0.4]).reshape(1, 1, 1, 5)
    for contour in (baselines.unfold_contour, baselines.shift_contour):
        found = contour(boundary, TINY.window)[0, 10:15, 0, 2]
        torch.testing.assert_close(found, torch.tensor([0.9, 0.9, 0.2, 0.3, 0.4]))


def test_every_operation_has_a_row() -> None:
    assert {name for row in cases.rows() for name in row.operations} == set(ops.__all__)


def test_a_quick_run_writes_every_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--output", str(tmp_path)], gate=lambda names: set()) == 0
    (written,) = tmp_path.glob("*.json")
    report = json.loads(written.read_text())
    (problem,) = report["problems"]
    found = {(row["row"], row["pass"], row["by"]): row for row in problem["rows"]}
    assert set(found) == {(r.name, d, c.name) for r in cases.rows() for d in r.directions for c in r.contenders}
    for (name, _, contender), row in found.items():
        facts = cases.row_named(name).contender(contender)
        if facts.slow_to_make or facts.missing(TINY):
            assert row["no_time"]
            continue
        assert row["milliseconds"]["runs"] == 1
        assert (row["peak_bytes"] is not None) == (contender == OURS)
    assert [target["what"] for target in report["targets"]] == [target.what for target in TARGETS]
    for target in report["targets"]:
        # What the backward adds to the forward is a difference, and may be below nothing in a run this short.
        least = -1 if target["what"].startswith("backward ÷ forward") else 0
        if target["measured"] is None:  # what the programs of others need may be missing
            assert "onnxruntime" in target["what"]
        else:
            assert target["measured"] > least or "memory" in target["what"]
    assert {entry["with"] for entry in report["scaling"]} >= {"image size", "window", "embedding channels"}
    (stored,) = recalled(written.with_suffix(".history.jsonl"))
    assert stored == run_named(str(written), tmp_path)
    assert {(key.row, key.direction) for key in stored.rows} == {(row, direction) for row, direction, _ in found}
    markdown = written.with_suffix(".md").read_text()
    assert all(row.name in markdown for row in cases.rows())
    assert "Floors at" in capsys.readouterr().out


def test_a_red_operation_is_not_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--quick", "--only", "affinity", "--output", str(tmp_path)]
    assert main(arguments, gate=lambda names: {"local_filter"}) == 1
    (written,) = tmp_path.glob("*.json")
    (problem,) = json.loads(written.read_text())["problems"]
    for row in problem["rows"]:
        red = "local_filter" in cases.row_named(row["row"]).operations
        assert (row.get("no_time") == "contract red") == red
    assert "contract red, not timed: local_filter" in capsys.readouterr().out


def test_the_gate_tells_red_from_green_and_from_untested(tmp_path: Path) -> None:
    tests = tmp_path / "test_contract.py"
    tests.write_text(
        "import pytest\n\n"
        "@pytest.mark.parametrize('op', ['affinity-1', 'affinity_weights-1', 'affinity_weights-2'])\n"
        "def test_it(op):\n"
        "    assert op != 'affinity_weights-2'\n"
    )
    names = ["affinity", "affinity_weights", "local_filter"]
    assert red_operations(names, [tests]) == {"affinity_weights", "local_filter"}
    tests.write_text("this is no Python")
    assert red_operations(names, [tests]) == set(names)


def test_nothing_is_written_after_an_interrupt(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(names: Any) -> set[str]:
        raise KeyboardInterrupt

    assert main(["--quick", "--output", str(tmp_path)], gate=interrupt) == 130
    assert not list(tmp_path.iterdir())
    assert "interrupted" in capsys.readouterr().out
    assert main(["--only", "no such row"]) == 2
    assert "local_distance" in capsys.readouterr().out


def test_peak_memory_is_what_a_call_holds_beside_inputs_and_outputs() -> None:
    problem = Problem(size=96, window_size=5, channels=16)
    columns = problem.window.count * problem.nbytes("embedding")
    peak = peak_above("local_distance", cases.UNFOLD, FORWARD, problem)
    alone = peak_above("local_distance", cases.UNFOLD_EMBEDDING, FORWARD, problem)
    assert peak is not None
    assert alone is not None
    assert 0.95 * columns < peak < 1.4 * columns
    assert abs(alone) < 0.2 * columns


def test_what_cannot_fit_is_left_out() -> None:
    row = cases.row_named("local_distance")
    huge = Problem(size=200_000)
    assert row.contender(cases.UNFOLD).bytes_needed(huge, FORWARD) > 2**40
    assert row.contender(OURS).bytes_needed(huge, FORWARD) == 0
    assert Timing(1.0, 1.0, 1.0).runs is None


def test_an_exported_sharpener_is_timed_beside_pytorch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def without_a_network(**options: Any) -> Sharpener:
        return Sharpener(RGBCue(), guard=None, score_weight=0, upsampling="bilinear", **options)

    monkeypatch.setattr(exported, "Sharpener", SimpleNamespace(from_pretrained=without_a_network))
    way = "custom" if importlib.util.find_spec("crispseg._C") else "standard"
    small = ("--height", "17", "--width", "20", "--num-classes", "2", "--window", "3", "--passes", "1", "--runs", "1")
    assert exported.main([*small, "--operators", way]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert [row.split()[:2] for row in rows][1] == ["onnxruntime,", way]
    assert rows[0].split()[0] == "PyTorch"
    assert all(float(row.split()[-1]) < 1e-4 for row in rows)


def test_many_classes_are_timed_beside_a_few(capsys: pytest.CaptureFixture[str]) -> None:
    assert many_classes.main(["--num-classes", "40", "--turns", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == [
        "11 classes",
        "21 classes",
        "40 classes",
        "40 classes, all filtered",
    ]


def test_flicker_is_measured_on_clips_that_move(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_coarse_scores(write_folder(tmp_path, 1), tmp_path / "logits")
    scores = np.load(tmp_path / "logits" / "scene0.npy")
    np.savez(tmp_path / "logits" / "scene0.npz", scores=scores)
    given = [
        f"--{kind}={tmp_path / folder}"
        for kind, folder in {"images": "images", "labels": "labels", "predictions": "logits"}.items()
    ]
    assert flicker.main([*given, "--void", "11", "--score-noise", "3"]) == 0
    said = re.findall(r"([\d.]+) % right +([\d.]+) % change", capsys.readouterr().out)
    alone, steady = said[::4], said[3::4]
    assert len(steady) == 3
    assert all(float(ours[1]) < 0.8 * float(theirs[1]) for ours, theirs in zip(steady, alone, strict=True))


def test_joint_upsampling_is_timed_beside_bilinear(capsys: pytest.CaptureFixture[str]) -> None:
    assert upsampling.main(["--num-classes", "2", "--turns", "1"]) == 0
    for line, kind in zip(capsys.readouterr().out.splitlines(), ("joint", "bilinear"), strict=True):
        assert line.startswith(kind)
        step, whole = (float(number) for number in re.findall(r"([\d.]+) ms", line))
        assert 0 < step < whole


def test_the_peak_of_a_big_image_is_measured(capfd: pytest.CaptureFixture[str]) -> None:
    assert big_image.main(["--side", "300", "--num-classes", "3", "--memory", "8GiB"]) == 0
    size, peak = capfd.readouterr().out.splitlines()[-2:]
    assert size.startswith("300×300 pixels, 3 classes: ")
    assert 0.2 < float(peak.split()[1]) < 8
