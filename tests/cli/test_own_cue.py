"""A cue of a user's own package, found by its entry point, works wherever a cue is named."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from itertools import repeat
from pathlib import Path

import pytest

from crispseg import Sharpener
from crispseg.cues import RGBCue
from crispseg.errors import InputError
from tests.fakes import write_scored_folder

PACKAGE = """
from crispseg.cues import EmbeddingCue


class Brightness(EmbeddingCue, name="brightness"):
    summary = "brightness alone"
    arguments = {"norm": (1, 2), "gain": float}
    default_hardness, default_passes = 40.0, 2

    def __init__(self, norm: int = 1, gain: float = 1.0) -> None:
        super().__init__(norm)
        self.gain = gain

    def forward(self, image):
        return self.gain * image.mean(1, keepdim=True)
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images with labels and scores, and an installed package with a cue in `site`."""
    write_scored_folder(tmp_path, 2)
    info = tmp_path / "site" / "mycues-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mycues\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crispseg.cues]\nbrightness = mycues:Brightness\nbroken = nowhere:Cue\n")
    (tmp_path / "site" / "mycues.py").write_text(PACKAGE)
    return tmp_path


def python(root: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(root / "site")}
    command = [sys.executable, *map(str, words)]
    return subprocess.run(command, check=False, capture_output=True, text=True, env=environment, cwd=root)


RUN_ALL = """
import contextlib, io, json, sys
from crispseg.cli.main import main

results = []
for words in json.loads(sys.argv[1]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        try:
            code = exec(words[1]) or 0 if words[0] == "python" else main(words)
        except SystemExit as exit:  # of --help
            code = exit.code
    results.append((code, out.getvalue()))
print(json.dumps(results))
"""


def crispseg(root: Path, *commands: tuple[object, ...], codes: Iterable[int] = repeat(0)) -> list[str]:
    """Run commands, or lines of Python, in one process, which sees the package; return their outputs."""
    done = python(root, "-c", RUN_ALL, json.dumps([[str(word) for word in words] for words in commands]))
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout)
    for (found, output), code in zip(results, codes, strict=False):
        assert found == code, output
    return [output for _, output in results]


def test_the_commands_find_it(root: Path) -> None:
    data = ("--images", "images", "--labels", "labels", "--predictions", "scores", "--void", 11)
    info, shown, tuned, _ = crispseg(
        root,
        ("info",),
        ("sharpen", "--help"),
        ("tune", *data, "--cue", "brightness", "--window", 3, "--passes", 1),
        ("evaluate", *data, "--cue", "brightness:gain=2", "--json", "result.json"),
    )
    assert "brightness alone; norm 1 or 2, gain (float); default window 9, passes 2, hardness 40" in info
    assert "'broken': nowhere:Cue cannot be imported" in info
    assert "brightness" in shown
    assert "window 3" in tuned
    for hardness in (16, 24, 32, 40, 64, 96):
        assert f"│ {hardness:>8} │" in tuned
    assert json.loads((root / "result.json").read_text())["settings"]["cue"] == "brightness:gain=2,norm=1"


def test_runs_go_on_with_the_same_arguments_alone(root: Path) -> None:
    run = ("sharpen", "images", "--predictions", "scores", "--output", "out", "--no-pictures")
    cues = (("brightness:gain=2",), ("brightness:gain=2.0", "--resume"), ("brightness:gain=3", "--resume"))
    first, again, refused = crispseg(root, *((*run, "--cue", *cue) for cue in cues), codes=(0, 0, 2))
    assert "2 sharpened, 0 skipped" in first
    assert "0 sharpened, 2 skipped" in again
    assert "made with other settings" in refused
    assert "gain" in refused


REFUSED = {
    "brightness:gain=much": ["gain is 'much'", "expected a value of type float"],
    "brightness:norm=3": ["norm is 3", "1, 2"],
    "brightness:size=3": ["'brightness' has no argument 'size'", "norm, gain"],
    "broken": ["'broken'", "nowhere:Cue cannot be imported"],
    "brightnes": ["'brightnes'", "'brightness'", "entry point"],
}


def test_what_it_does_not_take_is_said(root: Path) -> None:
    run = ("sharpen", "images", "--predictions", "scores", "--output", "out", "--cue")
    errors = crispseg(root, *((*run, cue) for cue in REFUSED), codes=repeat(2))
    for (cue, facts), error in zip(REFUSED.items(), errors, strict=True):
        assert error.count("\n") == 1, cue
        for fact in facts:
            assert fact in error


def test_a_folder_brings_it(root: Path) -> None:
    code = (
        "from crispseg import Sharpener\n"
        "from mycues import Brightness\n"
        "Sharpener(Brightness(gain=2), window=3, passes=3).save_pretrained('saved')\n"
    )
    assert python(root, "-c", code).returncode == 0
    load = "from crispseg import Sharpener; print(Sharpener.from_pretrained('saved').config.cue)"
    run = ("sharpen", "images", "--predictions", "scores", "--weights", "saved", "--output")
    loaded, *_ = crispseg(root, ("python", load), (*run, "out"), (*run, "other", "--cue", "brightness:gain=5"))
    assert loaded == "brightness:gain=2,norm=1\n"
    settings = json.loads((root / "out" / "crispseg-settings.json").read_text())
    assert settings["cue"] == "brightness:gain=2,norm=1"
    settings = json.loads((root / "other" / "crispseg-settings.json").read_text())
    assert (settings["cue"], settings["passes"]) == ("brightness:gain=5,norm=1", "3")


def test_a_cue_without_a_name_cannot_be_saved(root: Path) -> None:
    class Nameless(RGBCue):
        pass

    with pytest.raises(InputError, match=r"Nameless cannot be saved.*not registered.*entry point.*crispseg.cues"):
        Sharpener(Nameless()).save_pretrained(root / "saved")
    assert not (root / "saved").exists()
