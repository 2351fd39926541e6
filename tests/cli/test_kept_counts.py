"""Commands that count image by image go on with what they have kept, and say how."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from crispseg import __version__
from crispseg.cli.main import main
from crispseg.data import LabelledPredictions
from crispseg.metrics.boundaries import count_boundaries
from crispseg.single_writer import only_writer
from tests.fakes import write_scored_folder
from tests.marks import needs_pydensecrf

COUNT = 5
DATA = ["--images", "images", "--labels", "labels", "--predictions", "scores", "--void", "11"]
COMMANDS = {
    "evaluate": ["evaluate", *DATA, "--cue", "rgb"],
    "tune": ["tune", *DATA, "--cue", "rgb", "--window", "3", "--passes", "1", "2"],
    "tune --crf": [
        "tune",
        *DATA,
        "--cue",
        "none",
        "--crf",
        "--bilateral-xy",
        "20",
        "--bilateral-rgb",
        "5",
        "--rounds",
        "0",
    ],
    "boundaries": ["boundaries", "--predictions", "maps", "--truth", "truth", "--thresholds", "5", "--workers", "0"],
}


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Images with labels and coarse scores, and boundary maps with their truth."""
    write_scored_folder(tmp_path, COUNT)
    for name in ("maps", "truth"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(0)
    for index in range(COUNT):
        drawn = rng.random((24, 32)) > 0.9
        Image.fromarray((drawn * 200).astype(np.uint8)).save(tmp_path / "maps" / f"{index}.png")
        truth = np.empty((1, 1), object)
        truth[0, 0] = {
            "Boundaries": np.roll(drawn, 1, 0).astype(np.uint8),
            "Segmentation": np.ones((24, 32), np.uint16),
        }
        savemat(tmp_path / "truth" / f"{index}.mat", {"groundTruth": truth})
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def stopped_after(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], list[Any]]:
    """Have the run be interrupted after so many images are read, or never; return those that are read."""
    reading, counting = LabelledPredictions.__getitem__, count_boundaries

    def stop(after: int | None) -> list[Any]:
        read: list[Any] = []

        def note(what: object) -> None:
            if len(read) == after:
                raise KeyboardInterrupt
            read.append(what)

        def get(self: LabelledPredictions, index: int) -> Any:
            note(index)
            return reading(self, index)

        def count(*arguments: Any, **options: Any) -> Any:
            note(None)
            return counting(*arguments, **options)

        monkeypatch.setattr(LabelledPredictions, "__getitem__", get)
        monkeypatch.setattr("crispseg.evaluation.boundary_files.count_boundaries", count)
        return read

    return stop


def printed(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return the lines that a command printed, without its times."""
    return [line for line in capsys.readouterr().out.splitlines() if "ms per image" not in line]


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[needs_pydensecrf] if "crf" in name else []) for name in COMMANDS]
)
def test_an_interrupted_command_goes_on(
    name: str, root: Path, stopped_after: Callable[[int | None], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    command, title = COMMANDS[name], COMMANDS[name][0]
    assert main(command) == 0
    whole = printed(capsys)
    assert whole

    stopped_after(3)
    assert main(command) == 130
    assert capsys.readouterr().err == (
        f"crispseg {title}: interrupted; nothing was kept: --resume FILE would keep what is counted\n"
    )
    stopped_after(3)
    assert main([*command, "--resume", "kept.jsonl"]) == 130
    assert capsys.readouterr().err == f"crispseg {title}: interrupted; --resume kept.jsonl goes on\n"
    with (root / "kept.jsonl").open("a") as file:
        file.write('{"image": "0 sce')  # as a kill may leave it
    stopped_after(None)
    assert main([*command, "--resume", "kept.jsonl"]) == 0
    assert printed(capsys) == whole
    read = stopped_after(None)
    assert main([*command, "--resume", "kept.jsonl"]) == 0
    assert printed(capsys) == whole
    assert set(read) <= {0}, "all is kept; tune looks at the first to learn whether predictions are label maps"


def test_only_images_that_are_not_kept_are_read(
    root: Path, stopped_after: Callable[[int | None], list[Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*COMMANDS["evaluate"], "--every", "2", "--resume", "kept.jsonl"]) == 0
    read = stopped_after(None)
    assert main([*COMMANDS["evaluate"], "--resume", "kept.jsonl", "--json", "kept.json"]) == 0
    assert read == [1, 3]
    assert main([*COMMANDS["evaluate"], "--json", "whole.json"]) == 0
    first, second = (json.loads((root / name).read_text()) for name in ("kept.json", "whole.json"))
    for said in (first, second):
        said.pop("milliseconds", None)
        said.pop("milliseconds_per_image", None)
    assert first == second
    del capsys


def test_classes_are_noted_whatever_their_names(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The same name of another class was taken for the same setting, and ended in a traceback."""
    command = [*COMMANDS["evaluate"], "--class-names", "names.txt", "--resume", "kept.jsonl", "--thin", "pole"]
    classes = len(np.load(next((root / "scores").glob("*.npy"))))
    others = [f"class {number}" for number in range(2, classes)]
    (root / "names.txt").write_text("\n".join(["sky", "pole", *others]))
    assert main(command) == 0
    (root / "names.txt").write_text("\n".join(["pole", "sky", *others]))
    capsys.readouterr()
    assert main(command) == 2
    assert "counts kept.jsonl: was made with other settings (thin" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["evaluate", "tune", "boundaries"])
@pytest.mark.usefixtures("root")
def test_counts_of_another_version_are_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that was resumed after an upgrade took the counts of both versions together."""
    with monkeypatch.context() as patched:
        patched.setattr("crispseg.run_settings.__version__", "0.0.1")
        assert main([*COMMANDS[name], "--resume", "kept.jsonl"]) == 0
    capsys.readouterr()
    assert main([*COMMANDS[name], "--resume", "kept.jsonl"]) == 2
    error = capsys.readouterr().err
    assert f"other settings (crispseg 0.0.1 there, {__version__} now); use those, or choose another file" in error
    assert error.count("\n") == 1


def test_the_report_is_another_file_than_the_counts(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMANDS["evaluate"], "--resume", "one.json", "--json", "one.json"]) == 2
    assert (
        capsys.readouterr().err
        == "crispseg evaluate: error: --json and --resume are both one.json; expected two files\n"
    )
    assert not (root / "one.json").exists()


def test_other_options_or_files_are_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [*COMMANDS["evaluate"], "--resume", "kept.jsonl"]
    assert main(command) == 0
    kept = (root / "kept.jsonl").read_bytes()
    pixels = np.array(Image.open(root / "labels" / "scene1.png"))
    pixels[0, 0] = 1 - pixels[0, 0] % 2
    cases = [
        ([*command, "--hardness", "9"], "hardness", None),
        ([*command, "--thin", "1"], "thin", None),
        ([*COMMANDS["tune"], "--resume", "kept.jsonl"], "counted by evaluate there, tune now", None),
        (command, "sha256 of data set", pixels),
    ]
    for arguments, said, changed in cases:
        if changed is not None:
            Image.fromarray(changed).save(root / "labels" / "scene1.png")
        capsys.readouterr()
        assert main(arguments) == 2
        error = capsys.readouterr().err
        assert "counts kept.jsonl: was made with other settings (" in error
        assert said in error
        assert error.count("\n") == 1
    assert (root / "kept.jsonl").read_bytes() == kept
    for path in ("images/scene0.png", "labels/scene0.png"):
        assert main([*COMMANDS["evaluate"], "--resume", path]) == 2
        assert "is also an input" in capsys.readouterr().err
    (root / "notes.txt").write_text("mine\n")
    assert main([*COMMANDS["evaluate"], "--resume", "notes.txt"]) == 2
    assert "holds no counts that an earlier run kept" in capsys.readouterr().err
    assert (root / "notes.txt").read_text() == "mine\n"


@pytest.mark.parametrize("name", ["evaluate", "tune", "boundaries"])
def test_another_run_with_the_same_file_is_refused(root: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The second began the file anew, and the first went on in it with counts of other settings."""
    with only_writer(root / "counts.jsonl", is_folder=False):
        assert main([*COMMANDS[name], "--resume", "counts.jsonl"]) == 2
    assert "output file counts.jsonl: another run is writing to it" in capsys.readouterr().err
    assert not list(root.glob("*counts*"))
