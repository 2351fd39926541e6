"""Files that change, are cut off or vanish while a run goes on cost their image and nothing else."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from crispseg import InputError, Sharpener
from crispseg.cues import RGBCue
from crispseg.data import read_prediction
from crispseg.errors import OutputError
from crispseg.jobs import Failed, Outputs, Skipped, ThisMachine, Written, sharpen_files
from crispseg.models.state import load_state
from tests.fakes import after_the_first, write_scored_folder

COUNT = 6
FIRST = 4
"""Images that a worker may have read when the first one is written."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Images with coarse scores, in `images` and `scores`."""
    return write_scored_folder(tmp_path, COUNT)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def grow(path: Path) -> None:
    path.write_bytes(path.read_bytes()[::-1] * 2)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.slow  # several processes
def test_what_changes_costs_its_image(tmp_path: Path, workers: int) -> None:
    """Each of the last images, which no worker has read yet, has one of its files changed in one of the ways."""
    ways: list[Callable[[Path], object]] = [cut, grow, Path.unlink, make_folder]
    changes = [(change, folder) for change in ways for folder in ("images/*.png", "scores/*.npy")]
    write_scored_folder(tmp_path, FIRST + len(changes))
    changed = [(change, sorted(tmp_path.glob(folder))[FIRST + place]) for place, (change, folder) in enumerate(changes)]
    outcomes = sharpen_files(
        [tmp_path / "images"],
        tmp_path / "scores",
        Outputs(tmp_path / "out", pictures=False),
        Sharpener(RGBCue()),
        strict=False,
        runner=ThisMachine(workers),
        on_outcome=after_the_first(lambda: [change(path) for change, path in changed]),
    )
    assert [type(outcome) for outcome in outcomes] == [Written] * FIRST + [Failed] * len(changes)
    for (_, path), outcome in zip(changed, outcomes[FIRST:], strict=True):
        assert isinstance(outcome, Failed)
        assert str(path) in outcome.reason


@pytest.mark.parametrize("again", [False, True])
def test_an_output_folder_that_vanishes_stops_the_run(root: Path, again: bool) -> None:
    """The earlier outputs are gone, so a run that went on would look complete and not be."""
    outputs = Outputs(root / "out", pictures=again, scores=True)
    vanish = after_the_first(lambda: shutil.rmtree(root / "out"))
    given = [root / "images"], root / "scores", outputs, Sharpener(RGBCue())
    with pytest.raises(OutputError, match="out: was removed during the run"):
        sharpen_files(*given, strict=False, on_outcome=vanish)
    assert not (root / "out").exists()
    once_more = sharpen_files([root / "images"], root / "scores", outputs, Sharpener(RGBCue()), resume=True)
    assert [type(outcome) for outcome in once_more] == [Written] * COUNT


def test_a_folder_below_that_vanishes_is_made_again_and_resume_finds_what_went_with_it(root: Path) -> None:
    outputs = Outputs(root / "out", scores=True)
    vanish = after_the_first(lambda: shutil.rmtree(root / "out" / "scores"))
    run = sharpen_files([root / "images"], root / "scores", outputs, Sharpener(RGBCue()), on_outcome=vanish)
    assert len(run) == COUNT
    again = list(sharpen_files([root / "images"], root / "scores", outputs, Sharpener(RGBCue()), resume=True))
    assert [type(outcome) for outcome in again] == [Skipped] * (COUNT - 1) + [Written]


def test_what_was_read_does_not_change_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    for read in (lambda path: read_prediction(path).scores, lambda path: load_state(path)["a"]):
        save_file({"a": torch.ones(3, 60, 80)}, path)
        values = read(path)
        with path.open("r+b") as file:
            file.seek(200)
            file.write(bytes(40_000))
        assert (values == 1).all()


CUT_OFF = """\
import os, sys
from pathlib import Path
from crispseg.data import read_prediction
from crispseg.models.state import load_state
path = Path(sys.argv[1])
scores, state = read_prediction(path).scores, load_state(path)["a"]
os.truncate(path, 100)
print(int(scores.sum()), int(state.sum()))
"""


def test_a_file_that_is_cut_off_after_it_was_read_does_not_end_the_process(tmp_path: Path) -> None:
    save_file({"a": torch.ones(3, 600, 800)}, tmp_path / "a.safetensors")
    command = [sys.executable, "-c", CUT_OFF, str(tmp_path / "a.safetensors")]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "1440000 1440000\n"


def test_a_folder_in_the_place_of_an_output_costs_its_image(root: Path) -> None:
    (root / "out" / "scores" / "scene2.safetensors").mkdir(parents=True)
    outputs = Outputs(root / "out", pictures=False, scores=True)
    outcomes = list(sharpen_files([root / "images"], root / "scores", outputs, Sharpener(RGBCue()), strict=False))
    assert [outcome.image.stem for outcome in outcomes if isinstance(outcome, Failed)] == ["scene2"]
    assert not list((root / "out").rglob("*.part*"))
    with pytest.raises(InputError, match="not a regular file"):
        list(sharpen_files([root / "images"], root / "scores", outputs, Sharpener(RGBCue())))
