"""`--weights FOLDER` brings a whole sharpener to the commands."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from crispseg import Sharpener, Window
from crispseg.cli.main import main
from crispseg.cues import ContourCue, LearnedCue, RGBCue
from crispseg.data import read_image
from crispseg.data.prediction import read_prediction
from crispseg.models import EmbeddingNet
from tests.fakes import write_coarse_scores, write_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images with labels and coarse scores, and a sharpener in `saved`."""
    write_folder(tmp_path, 2)
    write_coarse_scores(tmp_path, tmp_path / "scores")
    torch.manual_seed(0)
    sharpener = Sharpener(LearnedCue(EmbeddingNet(dim=4, width=4), norm=2), window=Window(3, 2), hardness=0.3)
    sharpener.save_pretrained(tmp_path / "saved")
    return tmp_path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


def sharpen(root: Path, *options: object) -> torch.Tensor:
    image, scores = root / "images" / "scene0.png", root / "scores" / "scene0.npy"
    arguments = ("sharpen", image, "--predictions", scores, "--output", root / "out", "--save-scores", *options)
    assert run(*arguments) == 0
    return read_prediction(root / "out" / "scores" / "scene0.safetensors").scores


def expected(root: Path, **options: Any) -> torch.Tensor:
    image = read_image(root / "images" / "scene0.png")[None]
    scores = read_prediction(root / "scores" / "scene0.npy").scores[None]
    with torch.inference_mode():
        crisp: torch.Tensor = Sharpener.from_pretrained(root / "saved", **options)(image, scores)
    return crisp[0]


def test_sharpen_takes_everything_from_the_folder(root: Path) -> None:
    torch.testing.assert_close(sharpen(root, "--weights", root / "saved"), expected(root))


def test_options_replace_those_of_the_folder(root: Path) -> None:
    given = ("--window", "5@2", "--hardness", 2, "--passes", 1, "--cue", "learned:norm=1")
    replaced = expected(root, window=Window(5, 2), hardness=2.0, passes=1, cue="learned:norm=1")
    torch.testing.assert_close(sharpen(root, "--weights", root / "saved", *given), replaced)


def test_evaluate_reports_what_the_folder_brought(root: Path) -> None:
    Sharpener(RGBCue(), window=Window(3), hardness=0.3, passes=2).save_pretrained(root / "saved")
    data = ("--images", root / "images", "--labels", root / "labels", "--predictions", root / "scores", "--void", 11)
    assert run("evaluate", *data, "--weights", root / "saved", "--json", root / "result.json") == 0
    settings = json.loads((root / "result.json").read_text())["settings"]
    found = {name: settings[name] for name in ("cue", "window", "hardness", "passes")}
    assert found == {"cue": "rgb:norm=1", "window": "3", "hardness": "0.3", "passes": "2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cue", "rgb"], "bring the cue 'contour'; leave out 'rgb'"),
        (["--cue", "contour:norm=2"], "cue 'contour' has no argument 'norm'"),
        (["--precision", "bfloat16"], "--precision does not go with --cue contour"),
        ([], "--cue contour needs boundary maps; add --boundaries"),
    ],
)
def test_what_does_not_go_with_the_folder_is_refused(
    options: list[str], message: str, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Sharpener(ContourCue()).save_pretrained(root / "saved")
    image, scores = root / "images" / "scene0.png", root / "scores" / "scene0.npy"
    given = ("--predictions", scores, "--output", root / "out", "--weights", root / "saved", *options)
    assert run("sharpen", image, *given) == 2
    assert message in capsys.readouterr().err
    assert not (root / "out").exists()
