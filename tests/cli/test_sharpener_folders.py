"""`--weights FOLDER` brings a whole sharpener to the commands."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from crispseg import Sharpener, Window
from crispseg.cli.main import main
from crispseg.cues import ContourCue, LearnedCue, RGBCue
from crispseg.data import read_image, read_labels
from crispseg.data.prediction_files import read_prediction
from crispseg.models import EmbeddingNet
from tests.fakes import options_of, write_scored_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two images with labels and coarse scores, and a sharpener in `saved`."""
    write_scored_folder(tmp_path, 2)
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
    data = options_of(root)
    assert run("evaluate", *data, "--weights", root / "saved", "--json", root / "result.json") == 0
    settings = json.loads((root / "result.json").read_text())["settings"]
    found = {name: settings[name] for name in ("cue", "window", "hardness", "passes")}
    assert found == {"cue": "rgb:norm=1", "window": "3", "hardness": "0.3", "passes": "2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--cue", "rgb"], "were saved with 'contour'; leave the cue out"),
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


def masks(root: Path) -> Path:
    """Scores of two labels that do not exclude each other, as logits, of the first image."""
    values = np.random.default_rng(0).normal(size=(2, 6, 8)).astype(np.float32)
    np.save(root / "masks.npy", values)
    return root / "masks.npy"


def test_the_saved_kind_of_scores_holds(root: Path) -> None:
    Sharpener(RGBCue(), scores="probabilities", hardness=1.0, passes=3).save_pretrained(root / "saved")
    image, path = root / "images" / "scene0.png", root / "p.npy"
    probabilities = torch.from_numpy(np.load(root / "scores" / "scene0.npy")).softmax(0)
    np.save(path, probabilities.numpy())
    given = ("--predictions", path, "--output", root / "out", "--weights", root / "saved", "--save-scores")
    assert run("sharpen", image, *given) == 0
    with torch.inference_mode():
        crisp = Sharpener.from_pretrained(root / "saved")(read_image(image)[None], probabilities[None])[0]
    written = read_prediction(root / "out" / "scores" / "scene0.safetensors")
    assert written.kind == "probabilities"
    torch.testing.assert_close(written.scores, crisp)
    assert torch.equal(read_labels(root / "out" / "scene0.png").labels, crisp.argmax(0))


def test_labels_that_do_not_exclude_each_other_stay_so(root: Path) -> None:
    Sharpener(RGBCue(), scores="multilabel", window=9, hardness=1.0, passes=3).save_pretrained(root / "saved")
    image, scores = root / "images" / "scene0.png", masks(root)
    given = ("--predictions", scores, "--output", root / "out", "--weights", root / "saved", "--save-scores")
    assert run("sharpen", image, *given) == 0
    with torch.inference_mode():
        crisp = Sharpener.from_pretrained(root / "saved")(
            read_image(image)[None], torch.from_numpy(np.load(scores))[None]
        )[0]
    written = read_prediction(root / "out" / "scores" / "scene0.safetensors")
    assert written.kind == "multilabel"
    torch.testing.assert_close(written.scores, crisp)


def test_a_guard_can_be_removed(root: Path) -> None:
    Sharpener(RGBCue(), hardness=0.3, passes=9, guard=0.35).save_pretrained(root / "saved")
    torch.testing.assert_close(sharpen(root, "--weights", root / "saved"), expected(root))
    unguarded = sharpen(root, "--weights", root / "saved", "--guard", "none")
    torch.testing.assert_close(unguarded, expected(root, guard=None))
    assert not torch.equal(unguarded, expected(root))


def test_export_takes_the_whole_sharpener(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = Sharpener(RGBCue(), scores="probabilities", window=3, passes=1, guard=None)
    saved.save_pretrained(root / "saved")
    exported = []

    def export(sharpener: Sharpener, path: Path, **_: object) -> float:
        path.touch()
        exported.append(sharpener.config)
        return 0.0

    monkeypatch.setattr("crispseg.cli.export.export_onnx", export)
    assert run("export", "--weights", root / "saved", "--output", root / "s.onnx") == 0
    assert exported == [saved.config]


def tuned(root: Path, capsys: pytest.CaptureFixture[str], *options: object) -> tuple[str, list[str]]:
    data = options_of(root)
    capsys.readouterr()
    assert run("tune", *data, "--weights", root / "saved", *options) == 0
    printed = capsys.readouterr().out
    best = re.search(r"best: (--.*)\ngained ([+-][\d.]+) mIoU and ([+-][\d.]+) trimap", printed)
    assert best, printed
    assert run("evaluate", *data, "--weights", root / "saved", *best[1].split()) == 0
    assert f"mIoU {best[2]}, trimap {best[3]}" in capsys.readouterr().out
    return printed, best[1].split()


def test_tune_starts_from_the_folder_and_its_options_repeat_the_gain(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = Sharpener(RGBCue(), window=Window(3, 2), hardness=30.0, passes=5, upsampling="bilinear", guard=0.4)
    start.save_pretrained(root / "saved")
    printed, _ = tuned(root, capsys, "--window", "3@2", "--passes", 5, "--score-weight", 0)
    for hardness in ("12", "18", "24", "30", "48", "72"):
        assert f"│ {hardness:>8} │" in printed, "around that of the folder"
    printed, best = tuned(root, capsys, "--hardness", 30, "--passes", 5, "--score-weight", 0)
    assert "window 3@2:" in printed
    assert "--guard" not in best, "that of the folder, which nothing else was tried beside"


def test_tune_searches_guards_and_upsampling(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Sharpener(RGBCue(), hardness=30.0, passes=5, guard=0.4).save_pretrained(root / "saved")
    fixed = ("--window", 7, "--hardness", 30, "--passes", 5)
    printed, best = tuned(root, capsys, *fixed, "--guard", "none", 0.3, "--upsampling", "joint", "bilinear")
    for guard in ("none", "0.3"):
        for upsampling in ("joint", "bilinear"):
            assert f"upsampling {upsampling}, guard {guard}" in printed
    assert "--guard" in best
    assert "--upsampling" in best
    _, best = tuned(root, capsys, *fixed, "--guard", "none", "--upsampling", "bilinear")
    assert best[best.index("--guard") + 1] == "none", "one value that is not the folder's is said too"
