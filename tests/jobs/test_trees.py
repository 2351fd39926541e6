"""A tree of images becomes the same tree of outputs: sharpened, resumed, killed, passed over, predicted."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crispseg.cli.main import main
from tests.fakes import write_coarse_scores, write_folder

VIDEOS = ("bear", "camel")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two videos of three frames, of the same names, in `images/VIDEO`, `scores/VIDEO` and `labels/VIDEO`."""
    for seed, video in enumerate(VIDEOS):
        drawn = write_folder(tmp_path / "drawn", seed=seed)
        write_coarse_scores(drawn, drawn / "scores")
        for kind in ("images", "scores", "labels"):
            (tmp_path / kind).mkdir(exist_ok=True)
            shutil.move(drawn / kind, tmp_path / kind / video)
        shutil.rmtree(drawn)
    return tmp_path


def command(root: Path, *options: object) -> list[str]:
    given = [root / "images", "--predictions", root / "scores", "--output", root / "out", "--cue", "rgb", *options]
    return ["sharpen", *map(str, given)]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def pictures(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in files(folder) if name.endswith(".png")}


EXPECTED = sorted(
    ["crispseg-settings.json"]
    + [
        pattern.format(f"{video}/scene{index}")
        for video in VIDEOS
        for index in range(3)
        for pattern in ("{}.png", "before_after/{}.png", "scores/{}.safetensors")
    ]
)


def test_the_same_tree_is_written_and_holds_what_each_frame_alone_gives(root: Path) -> None:
    assert main(command(root, "--save-scores")) == 0
    assert files(root / "out") == EXPECTED
    for video in VIDEOS:
        frame = [root / "images" / video / "scene1.png", "--predictions", root / "scores" / video / "scene1.npy"]
        assert main(["sharpen", *map(str, frame), "--cue", "rgb", "--output", str(root / "one" / video)]) == 0
        alone, together = root / "one" / video / "scene1.png", root / "out" / video / "scene1.png"
        assert alone.read_bytes() == together.read_bytes()
    assert (root / "out/bear/scene1.png").read_bytes() != (root / "out/camel/scene1.png").read_bytes()


def test_a_pattern_keeps_the_tree_too(root: Path) -> None:
    given = [root / "images" / "**" / "*.png", "--predictions", root / "scores", "--output", root / "out"]
    assert main(["sharpen", *map(str, given), "--cue", "rgb", "--save-scores"]) == 0
    assert files(root / "out") == EXPECTED


def test_resume_makes_what_is_missing_of_a_tree(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(root, "--save-scores")) == 0
    whole = pictures(root / "out")
    (root / "out/bear/scene0.png").unlink()
    (root / "out/before_after/camel/scene1.png").unlink()
    shutil.rmtree(root / "out/scores/camel")
    (root / "out/bear/.scene0.4711.part.png").write_bytes(b"half")
    (root / "out/bear/.scene1.4711.part.png").write_bytes(b"of another run")
    capsys.readouterr()
    assert main(command(root, "--save-scores", "--resume")) == 0
    said = capsys.readouterr().out.splitlines()
    made = ["bear/scene0", "camel/scene0", "camel/scene1", "camel/scene2"]
    assert [line.split()[0] for line in said[:-1]] == [f"{root}/out/{name}.png" for name in made]
    assert said[-1].startswith("4 sharpened, 2 skipped, 0 failed; ")
    (root / "out/bear/.scene1.4711.part.png").unlink()
    assert files(root / "out") == EXPECTED
    assert pictures(root / "out") == whole


def test_a_killed_run_over_a_tree_goes_on(root: Path) -> None:
    for video in VIDEOS:
        for index in range(3, 40):
            for kind, ending in (("images", "png"), ("scores", "npy")):
                folder = root / kind / video
                shutil.copy(folder / f"scene{index % 3}.{ending}", folder / f"scene{index}.{ending}")
    arguments = [sys.executable, "-m", "crispseg", *command(root, "--no-pictures", "--workers", 1)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith(str(root / "out"))
        os.kill(process.pid, signal.SIGKILL)
        process.stdout.read()
    done = [name for name in files(root / "out") if "/." not in name and name.endswith(".png")]
    assert 1 <= len(done) < 80
    before = {name: (root / "out" / name).stat().st_mtime_ns for name in done}
    assert main(command(root, "--no-pictures", "--workers", 0, "--resume")) == 0
    assert len(files(root / "out")) == 81
    assert {name: (root / "out" / name).stat().st_mtime_ns for name in done} == before


def test_a_bad_frame_is_named_with_its_folder(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "images/camel/scene1.png").write_bytes(b"no image")
    assert main(command(root, "--no-pictures")) == 1
    assert f"passed over: image {root}/images/camel/scene1.png: not an image" in capsys.readouterr().err
    assert len(files(root / "out")) == 6


def test_outputs_that_would_be_one_file_are_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for kind in ("images", "scores"):
        (root / kind / "bear").rename(root / kind / "before_after")
        shutil.copytree(root / kind / "before_after", root / kind, dirs_exist_ok=True)
    assert main(command(root)) == 2
    error = capsys.readouterr().err
    assert f"output {root}/out/before_after/scene0.png: would be written for both {root}/images/before_after/" in error
    assert not (root / "out").exists()
    assert main(command(root, "--no-pictures")) == 0


def test_an_output_folder_among_the_images_is_none_of_them(root: Path) -> None:
    given = [root / "images", "--predictions", root / "scores", "--output", root / "images" / "out", "--cue", "rgb"]
    for _ in range(2):
        assert main(["sharpen", *map(str, given)]) == 0
    assert len(files(root / "images" / "out")) == 13


def test_evaluate_and_figures_take_trees_and_suffixes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for path in sorted((root / "labels").rglob("*.png")):
        Image.fromarray(np.asarray(Image.open(path)) // 2).save(path.with_name(f"{path.stem}_colour.png"))
        path.rename(path.with_name(f"{path.stem}_gtFine_labelTrainIds.png"))
    for path in sorted((root / "images").rglob("*.png")):
        path.rename(path.with_name(f"{path.stem}_leftImg8bit.png"))
    given = ["--images", root / "images", "--labels", root / "labels", "--predictions", root / "scores"]
    given += ["--void", 11, "--cue", "rgb"]
    assert main(["evaluate", *map(str, given)]) == 2
    assert "pass the suffixes by which the names of images and labels differ" in capsys.readouterr().err
    given += ["--image-suffix", "_leftImg8bit", "--label-suffix", "_gtFine_labelTrainIds"]
    assert main(["evaluate", *map(str, given), "--json", str(root / "new" / "a.json")]) == 0
    assert '"images": 6' in (root / "new" / "a.json").read_text()
    assert main(["tune", *map(str, given), "--window", "3", "--hardness", "20", "--passes", "1"]) == 0
    figure = ["figure", "comparison", *map(str, given), "--names", "camel/scene1", "--output", str(root / "a.png")]
    assert main(figure) == 0
