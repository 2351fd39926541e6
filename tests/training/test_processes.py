"""Training in processes of its own: two at once, and one that is killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from crispseg.cli.main import main
from tests.fakes import write_folder
from tests.ops.threads import with_threads

ROOT = Path(__file__).parents[2]


def write_config(
    root: Path, *, dropout: float, steps: int, batch_size: int, accumulate: int = 1, frozen: str | None = None
) -> Path:
    """A small segmentation network on a fake folder, without void pixels: then means of halves are the mean."""
    data = write_folder(root / "data", void=0)
    folder: dict[str, Any] = {
        "class_path": "crispseg.data.LabelledFolder",
        "init_args": {"images": str(data / "images"), "labels": str(data / "labels")},
    }
    task = {
        "class_path": "crispseg.training.SegmentationTask",
        "init_args": {
            "network": {"class_path": "tests.training.networks.TinySegmenter", "init_args": {"num_classes": 3}},
            "num_classes": 3,
            "optimizer": {"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "momentum": 0.9}},
            "rates": {frozen: 0} if frozen else {},
        },
    }
    task["init_args"]["network"]["init_args"]["dropout"] = dropout  # type: ignore[index]
    numbers = {
        "steps": steps,
        "batch_size": batch_size,
        "crop": {"size": 24},
        "val_images": 3,
        "workers": 0,
        "seed": 1,
        "accumulate": accumulate,
    }
    often = {"checkpoint_every": 5, "val_every": 10, "accelerator": "cpu"}
    path = root / f"config{batch_size}.yaml"
    path.write_text(
        yaml.safe_dump({"task": task, "train_data": [folder], "val_data": {"fake": folder}, **numbers, **often})
    )
    return path


def command(config: Path, output: Path, *options: str) -> list[str]:
    return ["train", str(config), "--output", str(output), *options, "--allow-import", "tests"]


def start(words: list[str]) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-m", "crispseg", *words]
    return subprocess.Popen(run, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish_here(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Run a command in this process, which need not import everything again, and return what it printed."""
    with with_threads(1):
        code = main(words)
    said = capsys.readouterr()
    assert code == 0, said.err
    return said.out


def weights(output: Path) -> dict[str, Tensor]:
    return load_file(output / "segmentation.safetensors")


def test_a_killed_run_ends_like_an_uninterrupted_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, dropout=0.5, steps=60, batch_size=2, accumulate=3)
    killed = start(command(config, tmp_path / "killed"))
    deadline = time.monotonic() + 200
    while not (tmp_path / "killed" / "last.ckpt").exists() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL, "the run was over before it could be killed"
    assert "step 60 of 60" in finish_here(command(config, tmp_path / "killed", "--resume"), capsys)
    finish_here(command(config, tmp_path / "whole"), capsys)
    for name, value in weights(tmp_path / "whole").items():
        assert torch.equal(value, weights(tmp_path / "killed")[name]), name
    validated = [(tmp_path / run / "validation.jsonl").read_text() for run in ("whole", "killed")]
    assert validated[0] == validated[1]


def test_two_processes_learn_what_one_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same crops, half of them in each process; gradients are averaged over gloo."""
    one = write_config(tmp_path, dropout=0.0, steps=10, batch_size=4, frozen="encode.bias")
    two = write_config(tmp_path, dropout=0.0, steps=10, batch_size=2, frozen="encode.bias")
    alone = finish_here(command(one, tmp_path / "one"), capsys)
    both = start(command(two, tmp_path / "two", "--devices", "2"))
    together, error = both.communicate(timeout=240)
    assert both.returncode == 0, error
    for name, value in weights(tmp_path / "one").items():
        torch.testing.assert_close(value, weights(tmp_path / "two")[name], rtol=1e-4, atol=1e-5)
    # The validation images of both processes are counted together.
    said = [
        [line.partition(": ")[2].replace(f"/{folder}/", "/") for line in text.splitlines()]
        for text, folder in ((alone, "one"), (together, "two"))
    ]
    assert said[0] == said[1]
