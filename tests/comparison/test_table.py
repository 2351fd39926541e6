"""`crispseg table`: disjoint images, numbers that agree with `evaluate`, rows that are taken up again."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from crispseg import InputError
from crispseg.cli.main import main
from crispseg.comparison import counting, measure_table
from crispseg.comparison.images import Images, tuning_step
from crispseg.comparison.rows import DEFAULTS, DENSE_CRF, TableChoices
from crispseg.data import LabelledFolder, LabelledPredictions
from crispseg.models import EmbeddingNet
from crispseg.models.saving import save_network
from crispseg.single_writer import only_writer
from tests.fakes import write_boundaries, write_scored_folder

SOME = ["rgb 9x9 x1", "PAMR", "oracle 9x9 x7"]
CHOICES = TableChoices(torch.device("cpu"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Five images with labels, coarse scores and boundary maps."""
    write_scored_folder(tmp_path, 5)
    write_boundaries(tmp_path, tmp_path / "edges")
    return tmp_path


def options(root: Path) -> list[str]:
    folders = {"images": "images", "labels": "labels", "predictions": "scores", "output": "out"}
    named = [part for name, folder in folders.items() for part in (f"--{name}", str(root / folder))]
    return [*named, "--void", "11", "--tune-every", "3"]


def data(root: Path) -> LabelledPredictions:
    folder = LabelledFolder(root / "images", root / "labels", void=11)
    return LabelledPredictions(folder, root / "scores", num_classes=None, scores="logits")


def table(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "out" / "table.json").read_text())
    return content


def test_the_surface_takes_the_images_of_the_search(root: Path) -> None:
    for tune_every, tune_images, every in ((2, None, 1), (2, 1, 1), (2, None, 2), (3, 1, 2)):
        step = tuning_step(5, tune_every, tune_images, every)
        assert Images(data(root), tune_every, tune_images, every).tuning == list(range(0, 5, step))
    assert (tuning_step(100, 6, None, 2), tuning_step(100, 6, 5)) == (12, 24)


@pytest.mark.usefixtures("no_memory_process")
def test_a_surface_is_measured_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def surface(*_: object, every: int, **__: object) -> list[Any]:
        calls.append(every)
        return []

    monkeypatch.setattr("crispseg.cli.table.surface", surface)
    command = ["table", *options(root), "--rows", "baseline", "--surface"]
    assert main(command) == main([*command, "--resume"]) == 0
    assert calls == [3]
    measured = json.loads((root / "out" / "surface.json").read_text())
    (root / "out" / "surface.json").write_text(json.dumps({"rows": measured["rows"]}))  # of an older version
    assert main([*command, "--resume"]) == 0
    assert calls == [3, 3]
    measured["context"]["weights"] = "others"
    (root / "out" / "surface.json").write_text(json.dumps(measured))
    assert main([*command, "--resume"]) == 0
    assert calls == [3, 3, 3]


@pytest.mark.slow  # makes a table of every row
def test_the_table_has_its_rows_in_three_formats(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["table", *options(root), "--rows", *SOME, "--surface"]) == 0
    content = table(root)
    assert [row["name"] for row in content["rows"]] == ["baseline", *SOME]
    assert (content["data"]["count"], content["reported_images"]) == (5, 3)
    baseline, rgb, _, oracle = content["rows"]
    assert baseline["metrics"]["miou"]["gain"] == baseline["metrics"]["miou"]["high"] == 0
    assert oracle["metrics"]["miou"]["low"] > 0
    assert oracle["metrics"]["boundary_f"]["value"] > baseline["metrics"]["boundary_f"]["value"]
    assert rgb["settings"]["hardness"] in [tried["settings"]["hardness"] for tried in rgb["search"]]
    assert len(rgb["search"]) == 5
    assert baseline["search"] == [{"settings": {}, "miou": 0, "trimap_4": 0}]
    for row in content["rows"]:
        assert row["milliseconds"] > 0
        assert len(row["metrics"]) == 9
    assert content["absent_classes"] == "count"
    assert "without true pixels count as 0" in (root / "out" / "table.md").read_text()
    for name in ("table.md", "table.tex"):
        text = (root / "out" / name).read_text()
        assert all(row["name"] in text for row in content["rows"])
        assert f"{rgb['metrics']['miou']['value']:.2f}" in text
    assert "oracle 9x9 x7" in capsys.readouterr().out
    surface = json.loads((root / "out" / "surface.json").read_text())["rows"]
    assert {(line["window"], line["passes"]) for line in surface} >= {(5, 1), (15, 25)}


@pytest.mark.usefixtures("no_memory_process")
def test_reported_images_are_not_those_that_were_tuned_on(root: Path) -> None:
    """Tuned on images 0 and 3: the numbers are those of `evaluate` on the others, with the setting that was found."""
    assert main(["table", *options(root), "--rows", "rgb 9x9 x1"]) == 0
    [_, rgb] = table(root)["rows"]
    for index in (0, 3):
        for folder, suffix in (("images", "png"), ("labels", "png"), ("scores", "npy")):
            (root / folder / f"scene{index}.{suffix}").unlink()
    found = ["--cue", "rgb", "--window", "9", "--passes", "1", "--hardness", str(rgb["settings"]["hardness"])]
    found += ["--score-weight", "0", "--guard", "none"]
    assert main(["evaluate", *options(root)[:6], "--void", "11", *found, "--json", str(root / "result.json")]) == 0
    after = json.loads((root / "result.json").read_text())
    for name, values in rgb["metrics"].items():
        assert values["value"] == pytest.approx(after["after"][name], abs=1e-3)
        assert values["gain"] == pytest.approx(after["gain"][name]["value"], abs=1e-3)
        assert values["low"] == pytest.approx(after["gain"][name]["low"], abs=1e-2)


@pytest.mark.slow  # makes tables
@pytest.mark.usefixtures("no_memory_process")
def test_the_search_may_use_few_of_the_images_to_tune_on(root: Path) -> None:
    """Of five images, 0, 2 and 4 are for tuning; one of them is used, and none of them is reported."""
    command = ["table", *options(root)[:-1], "2", "--tune-images", "1", "--rows", DEFAULTS, "ladder, scores"]
    assert main([*command, "--mean-over", "0", "1"]) == 0
    content = table(root)
    assert (content["data"]["tuned_images"], content["reported_images"], content["mean_over"]) == (1, 2, [0, 1])
    text = (root / "out" / "table.md").read_text()
    assert "Parameters were tuned on 1 other images" in text
    assert "over 2 of 3 classes: 0, 1" in text
    [baseline, shipped, ladder] = content["rows"]
    means = [sum(row["per_class"]["miou"][:2]) / 2 for row in content["rows"]]
    assert [row["metrics"]["miou"]["value"] for row in content["rows"]] == pytest.approx(means, abs=1e-3)
    assert (shipped["settings"], shipped["search"][0]["settings"]) == ({}, {})
    assert {tried["settings"]["score_weight"] for tried in ladder["search"]} == {0.5}
    worst = min(after - before for before, after in zip(*_ious(baseline, shipped), strict=True))
    assert f"({worst:+.2f})" in shipped["worst_class"]
    assert f"| {shipped['worst_class']} |" in text
    command = ["evaluate", *options(root)[:6], "--void", "11", "--skip-every", "2", "--mean-over", "0", "1"]
    assert main([*command, "--json", str(root / "result.json")]) == 0
    alone = json.loads((root / "result.json").read_text())
    for name, values in shipped["metrics"].items():
        assert values["value"] == pytest.approx(alone["after"][name], abs=1e-3)


def _ious(*rows: dict[str, Any]) -> list[list[float]]:
    return [row["per_class"]["miou"][:2] for row in rows]


@pytest.mark.usefixtures("no_memory_process")
def test_times_are_shown_beside_that_of_the_dense_crf(root: Path) -> None:
    assert main(["table", *options(root), "--every", "2", "--rows", DENSE_CRF]) == 0
    content, text = table(root), (root / "out" / "table.md").read_text()
    assert (content["data"]["tuned_images"], content["reported_images"]) == (1, 2)
    baseline, crf = content["rows"]
    [line] = [line for line in text.splitlines() if line.startswith("| baseline") and "%" in line]
    assert line.split("|")[-2].strip() == f"{100 * baseline['milliseconds'] / crf['milliseconds']:.0f} %"
    [line] = [line for line in text.splitlines() if line.startswith(f"| {DENSE_CRF}") and "%" in line]
    assert line.split("|")[-2].strip() == "100 %"


@pytest.mark.usefixtures("no_memory_process")
def test_a_table_that_was_stopped_goes_on(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert main(["table", *options(root), "--rows", *SOME]) == 0
    whole = table(root)
    for name in ("pamr", "oracle_9x9_x7"):
        (root / "out" / "rows" / f"{name}.json").unlink()
    kept = (root / "out" / "rows" / "rgb_9x9_x1.json").stat().st_mtime_ns
    assert load_file(root / "out" / "rows" / "rgb_9x9_x1.safetensors")["miou"].dtype == torch.int32
    assert main(["table", *options(root), "--rows", *SOME]) == 2, "holds rows already"
    assert main(["table", *options(root), "--rows", *SOME, "--resume"]) == 0
    assert (root / "out" / "rows" / "rgb_9x9_x1.json").stat().st_mtime_ns == kept
    for before, after in zip(whole["rows"], table(root)["rows"], strict=True):
        assert before["metrics"] == after["metrics"]
        assert before["search"] == after["search"]


@pytest.mark.usefixtures("no_memory_process")
@pytest.mark.slow  # several processes
def test_several_processes_count_the_same(root: Path) -> None:
    rows = ["rgb 9x9 x1", "fast embedding, tuned + RankSEG"]
    for output, workers in (("alone", 0), ("together", 2)):
        measure_table(data(root), root / output, CHOICES, rows=rows, tune_every=3, workers=workers)
    files = sorted(path.name for path in (root / "alone" / "rows").iterdir())
    assert len(files) == 8
    for name in files:
        assert (root / "alone" / "rows" / name).read_bytes() == (root / "together" / "rows" / name).read_bytes()


@pytest.mark.usefixtures("no_memory_process")
@pytest.mark.slow  # several processes
def test_what_is_wrong_in_a_worker_is_said_here(root: Path) -> None:
    (root / "scores" / "scene3.npy").write_bytes(b"half")
    with pytest.raises(InputError, match=r"scene3\.npy"):
        measure_table(data(root), root / "out", CHOICES, rows=["PAMR"], tune_every=3, workers=1)


def _end(*_: object) -> None:
    os.abort()


@pytest.mark.slow  # several processes
def test_a_worker_that_is_ended_is_an_error_of_one_line(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_count", _end)
    with pytest.raises(InputError, match=r"system ended a worker process.* fewer --workers"):
        measure_table(data(root), root / "out", CHOICES, rows=["PAMR"], tune_every=3, workers=1)


@pytest.mark.usefixtures("no_memory_process")
def test_rows_of_other_data_or_damaged_ones_are_not_taken(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measure_table(data(root), root / "out", CHOICES, rows=["PAMR"], tune_every=3)
    with pytest.raises(InputError, match=r"tune_every 3 there, 2 now.*choose another --output"):
        measure_table(data(root), root / "out", CHOICES, rows=["PAMR"], tune_every=2, resume=True)
    monkeypatch.setattr("crispseg.comparison.pamr._PASSES", (1, 3, 10))
    with pytest.raises(InputError, match=r"pamr.json: was made with .*searched .* choose another --output, or remove"):
        measure_table(data(root), root / "out", CHOICES, rows=["PAMR"], tune_every=3, resume=True)
    monkeypatch.undo()
    (root / "out" / "rows" / "pamr.safetensors").write_bytes(b"half")
    with pytest.raises(InputError, match=r"pamr.json: damaged"):
        measure_table(data(root), root / "out", CHOICES, rows=["PAMR"], tune_every=3, resume=True)


@pytest.mark.usefixtures("no_memory_process")
def test_rows_of_other_weights_are_not_taken(root: Path) -> None:
    choices = TableChoices(CHOICES.device, str(root / "net.safetensors"))
    for index, seed in enumerate((0, 1)):
        torch.manual_seed(seed)
        save_network(EmbeddingNet(dim=4), root / "net.safetensors")
        if index == 0:
            measure_table(data(root), root / "out", choices, rows=["embedding 7x7 x1"], tune_every=3)
    with pytest.raises(InputError, match=r"other settings .sha256 of weights"):
        measure_table(data(root), root / "out", choices, rows=["embedding 7x7 x1"], tune_every=3, resume=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--rows", "GrabCut"], "row is 'GrabCut'; expected"),
        (["--workers", "-1"], "workers is -1; expected a whole number of 0 or more"),
        (["--tune-images", "0"], "tune_images is 0; expected a whole number of 1 or more"),
        (["--mean-over", "cat"], "mean_over holds 'cat'; expected a number from 0 to 2"),
        (["--tune-every", "1"], "tune_every is 1 for 5 images, which leaves none to report"),
        (["--weights", "none.safetensors"], "none.safetensors: no such file"),
        (["--weights", "none.safetensors", "--rows", "PAMR"], "none.safetensors: cannot be read (No such file"),
    ],
)
def test_bad_options_are_one_line(
    wrong: list[str], message: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["table", *options(root), *wrong]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (root / "out").exists()


def test_labels_without_a_boundary_to_tune_on_are_refused(root: Path) -> None:
    for index in (0, 3):
        Image.fromarray(np.zeros((48, 64), dtype=np.uint8)).save(root / "labels" / f"scene{index}.png")
    with pytest.raises(InputError, match="trimap_4 is undefined on the 2 images to tune on"):
        measure_table(data(root), root / "out", CHOICES, rows=["PAMR"], tune_every=3)


def test_another_run_with_the_same_output_is_refused(root: Path) -> None:
    with only_writer(root / "out"), pytest.raises(InputError, match="another run is writing to it"):
        measure_table(data(root), root / "out", CHOICES, rows=SOME)
    assert not (root / "out").exists()
