"""The commands do what their help says, on files."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg.cli.main import COMMANDS, main
from crispseg.data import read_labels, write_labels
from crispseg.data.prediction_files import read_prediction
from crispseg.metrics import METRICS
from tests.fakes import options_of, write_scored_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images with labels and coarse scores, in `images`, `labels` and `scores`."""
    return write_scored_folder(tmp_path)


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def test_sharpen_an_image_with_scores(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, scores, output = root / "images" / "scene0.png", root / "scores" / "scene0.npy", root / "out"
    assert run("sharpen", image, "--predictions", scores, "--output", output, "--save-scores") == 0
    written = sorted(str(path.relative_to(output)) for path in output.rglob("*") if path.is_file())
    pictures = ["before_after/scene0.png", "scene0.png"]
    assert written == [pictures[0], "crispseg-settings.json", pictures[1], "scores/scene0.safetensors"]
    label_map = read_labels(output / "scene0.png")
    assert label_map.labels.shape == (48, 64)
    assert label_map.palette is not None
    saved = read_prediction(output / "scores" / "scene0.safetensors")
    assert torch.equal(saved.scores.argmax(0), label_map.labels)
    assert re.search(r"scene0.png  \d+\.\d % of the pixels changed, \d+ ms", capsys.readouterr().out)


def test_sharpen_a_folder_of_indexed_label_maps_keeps_ids_and_palette(root: Path) -> None:
    palette = tuple(value % 256 for value in range(3 * 201))
    (root / "masks").mkdir()
    for path in (root / "labels").iterdir():
        labels = torch.tensor([5, 80, 200])[read_labels(path).labels.clamp(max=2)]
        write_labels(root / "masks" / path.name, labels[::8, ::8], palette)
    assert run("sharpen", root / "images", "--predictions", root / "masks", "--output", root / "out") == 0
    for index in range(3):
        label_map = read_labels(root / "out" / f"scene{index}.png")
        assert set(label_map.labels.unique().tolist()) <= {5, 80, 200}
        assert label_map.palette == palette


def test_sharpen_a_grey_mask_of_one_class_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(root / "mask.png", torch.full((6, 8), 7))
    image = root / "images" / "scene0.png"
    assert run("sharpen", image, "--predictions", root / "mask.png", "--output", root / "out") == 0
    assert read_labels(root / "out" / "scene0.png").labels.unique().tolist() == [7]
    assert "0.0 % of the pixels changed" in capsys.readouterr().out


def test_the_picture_shows_three_panels_and_three_details(root: Path) -> None:
    image, scores = root / "images" / "scene0.png", root / "scores" / "scene0.npy"
    assert run("sharpen", image, "--predictions", scores, "--output", root / "out") == 0
    picture = np.asarray(Image.open(root / "out" / "before_after" / "scene0.png"))
    assert picture.shape == (22 + 2 * 240 + 6, 3 * 320 + 2 * 6, 3)
    before, after = picture[22:262, 326:646], picture[22:262, 652:972]
    assert not np.array_equal(before, after)


def test_evaluate_reports_before_and_after(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("evaluate", *options_of(root), "--json", root / "out" / "result.json") == 0
    result = json.loads((root / "out" / "result.json").read_text())
    assert result["images"] == 3
    assert result["milliseconds_per_image"] > 0
    assert result["settings"]["window"] == "5@64,5@16,5@8,5@4,5@2,5"
    for part in ("before", "after"):
        assert set(result[part]) == set(METRICS)
        assert 0 < result[part]["trimap_4"] <= result[part]["miou"] <= 100
        assert all(len(values) == 3 for values in result["per_class"][part].values())
        assert result[part]["miou"] == pytest.approx(np.mean(result["per_class"][part]["miou"]), abs=1e-3)
    printed = capsys.readouterr().out
    gain = result["after"]["miou"] - result["before"]["miou"]
    assert f"mIoU {gain:+.2f}, trimap" in printed
    assert result["gain"]["miou"]["value"] == pytest.approx(gain, abs=1e-3)
    for name, gained in result["gain"].items():
        assert gained["low"] <= gained["value"] <= gained["high"]
        assert f"{gained['low']:+.2f} to {gained['high']:+.2f}" in printed, name
    losing = [
        label
        for label, (before, after) in enumerate(
            zip(result["per_class"]["before"]["miou"], result["per_class"]["after"]["miou"], strict=True)
        )
        if after < before
    ]
    assert ("classes that lose IoU: none" in printed) == (not losing)
    assert printed.count("\n") > 5


def test_evaluate_before_is_the_upsampled_prediction(root: Path) -> None:
    assert run("evaluate", *options_of(root), "--json", root / "result.json") == 0
    before = json.loads((root / "result.json").read_text())["before"]["miou"]
    counts = np.zeros((3, 3))
    for path in sorted((root / "labels").iterdir()):
        labels = np.asarray(Image.open(path))
        scores = torch.from_numpy(np.load(root / "scores" / f"{path.stem}.npy"))[None]
        predicted = torch.nn.functional.interpolate(scores, size=(48, 64), mode="bilinear").argmax(1)[0].numpy()
        np.add.at(counts, (labels[labels < 11], predicted[labels < 11]), 1)
    hits = np.diag(counts)
    assert before == pytest.approx(100 * np.mean(hits / (counts.sum(0) + counts.sum(1) - hits)), abs=1e-3)


def test_evaluate_takes_label_maps(root: Path) -> None:
    for path in (root / "labels").iterdir():
        labels = read_labels(path).labels.clamp(max=2)
        (root / "masks").mkdir(exist_ok=True)
        write_labels(root / "masks" / path.name, labels)
    options = [*options_of(root), "--predictions", root / "masks", "--json", root / "result.json"]
    assert run("evaluate", *options, "--num-classes", 3) == 0
    assert json.loads((root / "result.json").read_text())["before"]["miou"] == pytest.approx(100)


@pytest.mark.parametrize(("rule", "mean"), [("count", 75), ("ignore", 100)])
def test_a_class_that_is_predicted_but_absent_counts_as_0_or_is_left_out(
    root: Path, capsys: pytest.CaptureFixture[str], rule: str, mean: float
) -> None:
    (root / "masks").mkdir()
    for path in (root / "labels").iterdir():
        labels = read_labels(path).labels
        labels[0, 0] = 0
        write_labels(path, labels)
        predicted = labels.where(labels < 3, 2)
        predicted[0, 0] = 3
        write_labels(root / "masks" / path.name, predicted)
    options = [*options_of(root), "--predictions", root / "masks", "--num-classes", 4, "--json", root / "a.json"]
    assert run("evaluate", *options, "--absent-classes", rule) == 0
    result = json.loads((root / "a.json").read_text())
    assert result["absent_classes"] == rule
    assert result["before"]["miou"] == pytest.approx(mean, abs=0.1)
    printed = " ".join(capsys.readouterr().out.split())
    assert f"without true pixels {'count as 0' if rule == 'count' else 'are left out'}" in printed
    assert run("evaluate", *options, "--absent-classes", "zero") == 2
    assert "--absent-classes: invalid choice: 'zero'" in capsys.readouterr().err


def test_tune_finds_the_best_and_evaluate_agrees(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    grid = ["--window", 3, 5, "--hardness", 2, 8, "--passes", 1, 3, "--score-weight", 0]
    assert run("tune", *options_of(root), *grid) == 0
    printed = capsys.readouterr().out
    best = re.search(r"best: (--window .*)\ngained ([+-][\d.]+) mIoU and ([+-][\d.]+) trimap", printed)
    assert best
    assert printed.count("window 3:") == printed.count("window 5:") == 1
    assert run("evaluate", *options_of(root), *best[1].split()) == 0
    assert f"mIoU {best[2]}, trimap {best[3]}" in capsys.readouterr().out


@pytest.mark.usefixtures("no_memory_process")
def test_tables_are_whole_in_a_pipe(
    root: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names of classes and six columns of passes are wider than 80 letters."""
    (root / "names.json").write_text(json.dumps({"0": "background " * 5, "1": "disc", "2": "a square of one colour"}))
    data = [*options_of(root), "--class-names", root / "names.json", "--cue", "rgb", "--window", 3]
    monkeypatch.delenv("COLUMNS", raising=False)
    for command in (
        ["evaluate", *data],
        ["tune", *data, "--hardness", 20, "--passes", 1, 2, 3, 4, 5, 6, 7, 8],
        ["table", *data[:-4], "--output", root / "table", "--rows", "baseline", "--tune-every", 2],
    ):
        assert run(*command) == 0
        printed = capfd.readouterr().out
        assert "…" not in printed
        if command[0] == "evaluate":
            assert ("background " * 5).strip() in printed
        if command[0] == "tune":
            assert re.search("hardness.*1 passes.*4 passes.*8 passes", printed)
        if command[0] == "table":
            assert printed.startswith((root / "table" / "table.md").read_text())


def test_tune_says_when_nothing_is_gained(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (root / "labels").iterdir():
        one_hot = torch.nn.functional.one_hot(read_labels(path).labels.clamp(max=2), 3).permute(2, 0, 1).float()
        np.save(root / "scores" / f"{path.stem}.npy", (one_hot + 1e-6).log().numpy())
    assert run("tune", *options_of(root), "--window", 3, "--hardness", 0.1, "--passes", 5) == 0
    assert "no gain: no combination improves on 100.00 mIoU" in capsys.readouterr().out


def test_info_names_versions_devices_operations_and_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("info") == 0
    printed = capsys.readouterr().out
    for word in ("crispseg", "torch ", "cpu", "local_filter", "fast", "best", "MB, TwoScaleEmbedding"):
        assert word in printed
    assert re.search(r"soft .*maps 1 to 1024, norm 1 or 2; default window 9, passes 1, hardness 100\n", printed)
    assert re.search(r"learned .*default window 5@64,5@16,5@8,5@4,5@2,5, passes 4, hardness 1\.5\n", printed)
    assert re.search(r"best .*TwoScaleEmbedding, default passes 8,6,6,8,8,12, hardness 1\.6\n", printed)
    assert re.search(r"library +.*crispseg\.|none +.*install it with a C\+\+ compiler", printed)
    assert re.search(r"local_filter +(C\+\+ kernels, \w+ vectors|reference in plain PyTorch: .* not built)", printed)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_help_teaches(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        run(name, "--help")
    assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert f"usage: crispseg {name}" in printed
    assert len(printed) > 200


def test_the_overview_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    printed = capsys.readouterr().out
    assert all(f"  {name} " in printed for name in COMMANDS)
    assert run("shrapen") == 2
    assert "unknown command 'shrapen'; did you mean sharpen?" in capsys.readouterr().err
    assert run("blur") == 2
    assert "unknown command 'blur'; expected one of sharpen" in capsys.readouterr().err


def test_a_reader_that_leaves_midway_stops_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("crispseg.cli.info.run", stop)
    with (tmp_path / "out").open("w") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert main(["info"]) == 141


def test_memory_that_runs_out_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def fill(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("crispseg.cli.info.run", fill)
    assert main(["info"]) == 2
    assert "out of memory (MemoryError); use a smaller image" in capsys.readouterr().err


def test_a_reader_that_leaves_is_no_error() -> None:
    command = [sys.executable, "-m", "crispseg", "info"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 141)


def test_output_that_finds_no_room_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "crispseg", "info"]
        result = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert result.returncode == 2
    assert result.stderr == "crispseg info: error: output: No space left on device; make room on the disk\n"


def test_results_reach_a_file_while_the_bar_is_on_the_terminal(tmp_path: Path) -> None:
    """Under a pseudo-terminal for standard error, as in `crispseg … > log`."""
    code = (
        "import time\n"
        "from crispseg.cli.printing import progress_bar\n"
        "with progress_bar('images') as bar:\n"
        "    for i in bar.track(range(3)): print('line', i); time.sleep(0.2)\n"
    )
    main_end, terminal = os.openpty()
    with (tmp_path / "log").open("w") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, stderr=terminal, check=True)
    os.close(terminal)
    shown = re.sub(r"\x1b\[[\d;?]*\w", "", os.read(main_end, 2**16).decode())
    os.close(main_end)
    assert re.search(r"3/3 \d+\.\d images/s \d:\d\d:\d\d 0:00:00", shown), "count, rate, time that is over and left"
    assert (tmp_path / "log").read_text().splitlines() == ["line 0", "line 1", "line 2"]
