"""A table whose run was killed at any moment and resumed is the table of a run that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg import InputError, writing
from crispseg.cli.main import main
from crispseg.comparison import counting, measure_table
from crispseg.comparison.rows import TableChoices
from crispseg.data import LabelledFolder, LabelledPredictions
from tests.fakes import write_scored_folder

pytestmark = pytest.mark.usefixtures("no_memory_process")

ROWS = ["rgb 9x9 x1"]


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Four images with labels and coarse scores."""
    return write_scored_folder(tmp_path, 4)


def measure(root: Path, output: str, *, resume: bool = False) -> None:
    folder = LabelledFolder(root / "images", root / "labels", void=11)
    data = LabelledPredictions(folder, root / "scores", scores="logits")
    measure_table(data, root / output, TableChoices(torch.device("cpu")), rows=ROWS, tune_every=2, resume=resume)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def kill_at(moment: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill at a moment: while an image is counted, before a file gets its name, or after it has."""
    left = iter(range(moment, -1, -1))
    count, replace = counting._Counter.count, Path.replace

    def passing() -> None:
        if next(left) == 0:
            raise Killed

    def counted(self: Any, *arguments: Any) -> Any:
        passing()
        return count(self, *arguments)

    def replaced(self: Path, target: Path) -> Path:
        passing()
        replace(self, target)
        passing()
        return target

    monkeypatch.setattr(counting._Counter, "count", counted)
    monkeypatch.setattr(Path, "replace", replaced)
    monkeypatch.setattr(writing, "_remove", lambda _: None)  # who is killed tidies nothing up
    monkeypatch.setattr(os, "getpid", lambda: 1)  # and another process comes after it


@pytest.mark.slow  # makes a table for every moment
def test_killed_at_every_moment(root: Path) -> None:
    measure(root, "whole")
    whole = contents(root / "whole" / "rows")
    assert len(whole) == 4
    left_over = 0
    for moment in range(200):
        with pytest.MonkeyPatch.context() as patch:
            kill_at(moment, patch)
            try:
                measure(root, f"out{moment}")
                break
            except Killed:
                pass
        rows = root / f"out{moment}" / "rows"
        left_over += len(list(rows.glob(".*")))
        measure(root, f"out{moment}", resume=True)
        assert contents(rows) == whole, moment
    assert moment > 15
    assert left_over >= 4, "each file was once being written"


@pytest.mark.parametrize("folder", ["images", "labels", "scores"])
def test_a_file_that_changed_in_between_is_said(root: Path, folder: str) -> None:
    """The paths, their number and all else are the same: the old row would stand beside new ones."""
    measure(root, "out")
    (root / "out" / "rows" / "rgb_9x9_x1.json").unlink()
    path = next(iter(sorted((root / folder).iterdir())))
    stamp = path.stat()
    if path.suffix == ".npy":
        scores = np.load(path)
        scores[:, 0, 0] += 1
        np.save(path, scores)
    else:
        pixels = np.array(Image.open(path))
        pixels[5, 5] = 1 - pixels[5, 5] % 2
        Image.fromarray(pixels).save(path)
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    what = {"scores": "predictions", "images": "data set", "labels": "data set"}.get(folder, folder)
    with pytest.raises(
        InputError, match=rf"baseline\.json: was made with other settings .sha256 of {what} .* choose another --output"
    ):
        measure(root, "out", resume=True)


def test_an_interrupted_table_says_how_to_go_on(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    folders = {"images": "images", "labels": "labels", "predictions": "scores"}
    named = [part for name, folder in folders.items() for part in (f"--{name}", str(root / folder))]
    table = ["table", *named, "--void", "11", "--tune-every", "2", "--rows", *ROWS, "--output", str(root / "out")]
    with monkeypatch.context() as patch:
        patch.setattr(counting._Counter, "count", interrupted)
        assert main(table) == 130
        assert capsys.readouterr().err == "crispseg table: interrupted before anything was kept\n"
    with monkeypatch.context() as patch:
        patch.setattr("crispseg.comparison.table.measure_costs", interrupted)
        assert main(table) == 130
        assert capsys.readouterr().err == "crispseg table: interrupted; --resume goes on\n"
    assert main([*table, "--resume"]) == 0


def test_a_real_kill(root: Path) -> None:
    """The command in a process of its own, killed while it works, then resumed in this one."""
    folders = {"images": "images", "labels": "labels", "predictions": "scores"}
    named = [part for name, folder in folders.items() for part in (f"--{name}", str(root / folder))]
    table = ["table", *named, "--void", "11", "--tune-every", "2", "--rows", *ROWS, "--output"]
    assert main([*table, str(root / "whole")]) == 0
    command, quiet = [sys.executable, "-m", "crispseg", *table, str(root / "out")], subprocess.DEVNULL
    process = subprocess.Popen(command, stdout=quiet, stderr=quiet, start_new_session=True)
    rows = root / "out" / "rows"
    while not (rows / "baseline.json").exists():
        assert process.poll() is None
        time.sleep(0.002)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not (root / "out" / "table.json").exists()
    assert main([*table, str(root / "out"), "--resume"]) == 0
    assert contents(rows) == contents(root / "whole" / "rows")
    assert not list((root / "out").glob(".*"))
    first, second = (json.loads((root / name / "table.json").read_text()) for name in ("whole", "out"))
    for content in (first, second):
        for row in content["rows"]:
            del row["milliseconds"], row["peak_mb"]
    assert first == second
