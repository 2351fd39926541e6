"""Long commands show their progress."""

import io
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.progress import Progress, TaskID

from crispseg import Sharpener
from crispseg.cli.printing import progress_bar
from crispseg.cues import RGBCue
from crispseg.inference import tiles
from crispseg.jobs import sharpen_files
from tests.fakes import write_scored_folder


class Clock:
    """A time that passes when it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_without_a_terminal_a_line_each_minute(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with progress_bar() as progress:
        progress.get_time = clock
        task = progress.add_task("sharpening", total=100)
        for second in range(0, 1000, 20):
            clock.now = second
            progress.update(task, completed=second // 20)
    printed = capsys.readouterr()
    lines = printed.err.splitlines()
    assert not printed.out
    assert len(lines) == 16
    assert lines[0] == "sharpening: 3 of 100, 0:01:00 so far, 0:32:20 left"
    assert all(re.fullmatch(r"sharpening: \d+ of 100, 0:\d\d:\d\d so far, 0:\d\d:\d\d left", line) for line in lines)


def test_what_is_quick_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar("images") as progress:
        assert list(progress.track(range(3), description="counting")) == [0, 1, 2]
    assert capsys.readouterr() == ("", "")


def test_the_time_left_is_known_of_steps_that_take_minutes() -> None:
    """Such as tiles of 8 GiB: rich forgets steps after half a minute."""
    clock = Clock()
    progress = progress_bar()
    progress.live.console, progress.get_time = Console(file=io.StringIO(), force_terminal=True), clock
    task = progress.add_task("sharpening", total=100)
    for minute in (0, 5, 10):
        clock.now = 60 * minute
        progress.update(task, completed=minute)
    assert progress.tasks[task].time_remaining == 90 * 60


@pytest.mark.parametrize("kind", ["labels", "scores"])
def test_the_tiles_of_an_image_are_shown(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_scored_folder(tmp_path, 2)
    monkeypatch.setattr(tiles, "tile_side", lambda *_, **__: 20)
    progress, shown = Progress(disable=True), list[tuple[float, bool]]()
    update = Progress.update

    def noted(self: Progress, task: TaskID, **fields: Any) -> None:
        update(self, task, **fields)
        if "visible" in fields:
            shown.append((self.tasks[task].completed, self.tasks[task].visible))

    monkeypatch.setattr(Progress, "update", noted)
    sharpener = Sharpener(RGBCue(), window=3, passes=1)
    sharpen_files(tmp_path / "images", tmp_path / kind, tmp_path / "out", sharpener, memory="2GiB", progress=progress)
    assert len(shown) == 22, "of twelve tiles each"
    assert all(visible for _, visible in shown)
    completed = [completed for completed, _ in shown]
    assert completed == 2 * sorted(set(completed))
    assert not any(task.visible for task in progress.tasks if task.total == 100)
