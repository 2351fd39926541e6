"""A cue of a user's own package, found by its entry point, works wherever a cue is named."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crispseg import Sharpener
from crispseg.cli.main import main
from crispseg.cues import RGBCue
from crispseg.errors import InputError
from crispseg.registry import CUES
from tests.fakes import options_of, write_scored_folder

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


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], None]]:
    """Return a function that makes this process one that has not imported the package."""
    known = dict(CUES._defined)

    def forget() -> None:
        monkeypatch.setattr(CUES, "_defined", dict(known))
        sys.modules.pop("mycues", None)

    forget()
    yield forget
    forget()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two images with labels and scores, and an installed package with a cue in `site`."""
    write_scored_folder(tmp_path, 2)
    info = tmp_path / "site" / "mycues-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mycues\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[crispseg.cues]\nbrightness = mycues:Brightness\nbroken = nowhere:Cue\n")
    (tmp_path / "site" / "mycues.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def crispseg(root: Path, forget: Callable[[], None], capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Return a function that runs a command, which sees the package, and returns what it says."""

    def run(*words: object, code: int = 0) -> str:
        forget()
        try:
            found = main([str(word) for word in words])
        except SystemExit as exit:  # of --help
            found = int(exit.code or 0)
        said = capsys.readouterr()
        assert found == code, said.err
        return said.out + said.err

    return run


def test_the_commands_find_it(root: Path, crispseg: Callable[..., str]) -> None:
    data = options_of(root)
    info, shown = crispseg("info"), crispseg("sharpen", "--help")
    tuned = crispseg("tune", *data, "--cue", "brightness", "--window", 3, "--passes", 1)
    crispseg("evaluate", *data, "--cue", "brightness:gain=2", "--json", "result.json")
    assert "brightness alone; norm 1 or 2, gain (float); default window 9, passes 2, hardness 40" in info
    assert "'broken': nowhere:Cue cannot be imported" in info
    assert "brightness" in shown
    assert "window 3" in tuned
    for hardness in (16, 24, 32, 40, 64, 96):
        assert f"│ {hardness:>8} │" in tuned
    assert json.loads((root / "result.json").read_text())["settings"]["cue"] == "brightness:gain=2,norm=1"


def test_runs_go_on_with_the_same_arguments_alone(crispseg: Callable[..., str]) -> None:
    run = ("sharpen", "images", "--predictions", "scores", "--output", "out", "--no-pictures", "--cue")
    assert "2 sharpened, 0 skipped" in crispseg(*run, "brightness:gain=2")
    assert "0 sharpened, 2 skipped" in crispseg(*run, "brightness:gain=2.0", "--resume")
    refused = crispseg(*run, "brightness:gain=3", "--resume", code=2)
    assert "made with other settings" in refused
    assert "gain" in refused


REFUSED = {
    "brightness:gain=much": ["gain is 'much'", "expected a value of type float"],
    "brightness:norm=3": ["norm is 3", "1, 2"],
    "brightness:size=3": ["'brightness' has no argument 'size'", "norm, gain"],
    "broken": ["'broken'", "nowhere:Cue cannot be imported"],
    "brightnes": ["'brightnes'", "'brightness'", "entry point"],
}


@pytest.mark.parametrize("cue", REFUSED)
def test_what_it_does_not_take_is_said(cue: str, crispseg: Callable[..., str]) -> None:
    error = crispseg("sharpen", "images", "--predictions", "scores", "--output", "out", "--cue", cue, code=2)
    assert error.count("\n") == 1
    for fact in REFUSED[cue]:
        assert fact in error


def test_a_folder_brings_it(root: Path, forget: Callable[[], None], crispseg: Callable[..., str]) -> None:
    brightness = CUES.named("brightness")
    Sharpener(brightness(gain=2), window=3, passes=3).save_pretrained("saved")
    forget()
    assert str(Sharpener.from_pretrained("saved").config.cue) == "brightness:gain=2,norm=1"
    run = ("sharpen", "images", "--predictions", "scores", "--weights", "saved", "--output")
    crispseg(*run, "out")
    crispseg(*run, "other", "--cue", "brightness:gain=5")
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
