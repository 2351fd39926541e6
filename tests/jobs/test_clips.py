"""Folders of frames: their order, where a clip begins, and what happens to one that is broken or stopped midway."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg import Sharpener, SteadySharpener
from crispseg.cli.main import main
from crispseg.cues import RGBCue
from crispseg.data import read_image, read_prediction
from tests.fakes import draw_scene, write_coarse_scores

FRAMES = ("frame1", "frame2", "frame10")
CLIPS = ("bear1", "bear01")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two clips of three noisy frames in `images/CLIP`, with coarse scores in `scores/CLIP`."""
    rng = np.random.default_rng(0)
    for clip in CLIPS:
        drawn = tmp_path / "drawn"
        (tmp_path / "images" / clip).mkdir(parents=True)
        (drawn / "labels").mkdir(parents=True)
        image, labels = draw_scene(rng)
        for name in FRAMES:
            noisy = np.clip(image + rng.normal(0, 4, image.shape), 0, 255).astype(np.uint8)
            Image.fromarray(noisy).save(tmp_path / "images" / clip / f"{name}.png")
            Image.fromarray(np.roll(labels, rng.integers(-6, 7), 1)).save(drawn / "labels" / f"{name}.png")
        write_coarse_scores(drawn, tmp_path / "scores" / clip)
        shutil.move(drawn / "labels", tmp_path / "labels" / clip)
    return tmp_path


def run(root: Path, *options: object, output: str = "out", images: str = "images", scores: str = "scores") -> int:
    given = [root / images, "--predictions", root / scores, "--output", root / output, "--no-pictures", *options]
    return main(["sharpen", *map(str, given)])


def sharpen(root: Path, *options: object, **folders: str) -> int:
    return run(root, "--cue", "rgb", "--window", 3, "--steady", *options, **folders)


def masks(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*.png") if "scores" not in path.parts)
    return {str(path.relative_to(folder).with_suffix("")): path.read_bytes() for path in found}


def test_frames_follow_each_other_by_number_within_their_folder(root: Path) -> None:
    """In the order of the alphabet, frame10 would come first."""
    assert sharpen(root, "--save-scores", "--workers", 0) == 0
    alone = Sharpener(RGBCue(), window=3)
    for clip in CLIPS:
        steady = SteadySharpener(alone)
        for name in FRAMES:
            image = read_image(root / f"images/{clip}/{name}.png")[None]
            scores = read_prediction(root / f"scores/{clip}/{name}.npy").scores[None]
            expected = steady(image, scores)[0]
            written = read_prediction(root / f"out/scores/{clip}/{name}.safetensors").scores
            torch.testing.assert_close(written, expected, msg=f"{clip}/{name}")
        with torch.inference_mode():
            assert not torch.allclose(expected, alone(image, scores)[0], atol=0.1)


def test_a_clip_that_was_stopped_is_made_again_from_its_first_frame(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sharpen(root) == 0
    whole = masks(root / "out")
    for name in FRAMES[1:]:
        (root / f"out/bear1/{name}.png").unlink()
    kept = (root / "out/bear01/frame10.png").stat().st_mtime_ns
    capsys.readouterr()
    assert sharpen(root, "--resume") == 0
    assert "3 sharpened, 3 skipped, 0 failed" in capsys.readouterr().out
    assert masks(root / "out") == whole
    assert (root / "out/bear01/frame10.png").stat().st_mtime_ns == kept
    assert sharpen(root, "--resume", "--steady-past", 0.5) == 2
    assert "other settings (steady {'past': 0.85, 'reach': 3} there, {'past': 0.5" in capsys.readouterr().err


def test_a_frame_that_fails_is_left_out_of_its_clip(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whether it cannot be read, has another size, or cannot be written once it is sharpened."""
    shutil.copytree(root / "images", root / "fewer")
    for clip in CLIPS:
        (root / f"fewer/{clip}/frame2.png").unlink()
    assert sharpen(root, images="fewer", output="fewer-out") == 0
    (root / "images/bear1/frame2.png").write_bytes(b"no image")
    Image.new("RGB", (32, 24)).save(root / "images/bear01/frame2.png")
    long = "n" * 244  # an output needs a longer name while it is written
    for folder, ending in (("images", "png"), ("scores", "npy")):
        shutil.copy(root / folder / f"bear01/frame10.{ending}", root / folder / f"bear01/frame3{long}.{ending}")
    assert sharpen(root) == 1
    said = capsys.readouterr().err
    for fact in (
        "bear1/frame2.png: not an image",
        "bear01/frame2.npy: frame has 24x32 pixels, but the one before 48x64 pixels; expected the same",
        "File name too long",
    ):
        assert fact in said
    assert masks(root / "out") == masks(root / "fewer-out")


def test_label_maps_of_a_clip_may_have_other_labels(root: Path) -> None:
    """The last frame calls the disc 7: it was 2 all the time, and the scores say how likely either is."""
    path = root / "labels/bear1/frame10.png"
    labels = np.asarray(Image.open(path))
    Image.fromarray(np.where(labels == 2, 7, labels).astype(np.uint8)).save(path)
    assert sharpen(root, "--save-scores", scores="labels") == 0
    assert np.unique(np.asarray(Image.open(root / "out/bear1/frame10.png"))).tolist() == [0, 1, 2]
    said = read_prediction(root / "out/scores/bear1/frame10.safetensors")
    assert said.classes == (0, 1, 2, 7)
    assert 0.05 < said.scores[3].max() < 0.95


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ("--steady --ray", ["one after another", "leave --ray or --steady out"]),
        ("--steady --memory 1GiB", ["memory is 1GiB", "(--memory, --steady)"]),
        ("--steady --cue none --crf 1,2,3,1,1", ["--steady does not go with --cue none"]),
        ("--steady --cue contour --boundaries images", ["ContourCue", "such as learned or rgb"]),
        ("--steady --steady-past 1", ["past is 1.0", "below 1"]),
        ("--steady-reach 5", ["--steady-reach is given without --steady"]),
    ],
)
def test_what_does_not_go_with_clips_is_refused(
    root: Path, options: str, facts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(root, *options.split()) == 2
    said = capsys.readouterr().err
    assert all(fact in said for fact in facts), said
    assert not (root / "out").exists()
