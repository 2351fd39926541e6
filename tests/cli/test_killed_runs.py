"""Runs that are interrupted or killed leave whole files and no process, and resumed ones end as if nothing had been."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crispseg.cli.main import main
from crispseg.data import read_labels
from tests.fakes import write_scored_folder

COUNT = 150


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images with coarse scores, in `images` and `scores`."""
    return write_scored_folder(tmp_path, COUNT)


@pytest.fixture(autouse=True)
def _interrupts_are_heard() -> Iterator[None]:
    """Also where a shell started the tests in the background, and had them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def command(root: Path) -> list[str]:
    paths = [str(root / name) for name in ("images", "scores", "out")]
    return ["sharpen", paths[0], "--predictions", paths[1], "--output", paths[2], "--cue", "rgb", "--no-pictures"]


def stopped(root: Path, stop: Callable[[int], None], *options: str) -> tuple[int, str]:
    """Start the command with a worker in a process group of its own, and stop it after an image.

    Returns:
        Its exit code, and what it said on standard error.
    """
    arguments = [sys.executable, "-m", "crispseg", *command(root), "--workers", "1", *options]
    with subprocess.Popen(
        arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(str(root / "out"))
        stop(process.pid)
        error = process.communicate()[1]
    wait_until_gone(process.pid)
    return process.returncode, error


def wait_until_gone(group: int) -> None:
    """No process of the group is left, be it of a few seconds."""
    for _ in range(300):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    raise AssertionError("a worker outlives the run")


def test_interrupted_then_killed_then_finished(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, error = stopped(root, lambda group: os.killpg(group, signal.SIGINT))  # as a terminal sends Ctrl-C to all
    assert (code, error) == (130, "crispseg sharpen: interrupted; --resume goes on\n")
    first = {path.name: path.stat().st_mtime_ns for path in (root / "out").glob("*.png")}
    assert 1 <= len(first) < COUNT
    assert not list((root / "out").glob(".*"))

    code, _ = stopped(root, lambda main_process: os.kill(main_process, signal.SIGKILL), "--resume")
    assert code == -signal.SIGKILL
    done = len(list((root / "out").glob("[!.]*.png")))
    assert len(first) < done < COUNT

    assert main([*command(root), "--resume", "--workers", "0"]) == 0
    assert f"{COUNT - done} sharpened, {done} skipped, 0 failed" in capsys.readouterr().out
    outputs = sorted((root / "out").glob("*.png"))
    assert [path.stem for path in outputs] == sorted(f"scene{index}" for index in range(COUNT))
    assert all(read_labels(path).labels.shape == (48, 64) for path in outputs)
    assert not list((root / "out").glob(".*"))
    assert {name: (root / "out" / name).stat().st_mtime_ns for name in first} == first
