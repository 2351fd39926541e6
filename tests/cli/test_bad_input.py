"""Bad input is one line that says what was given and what was expected, exit code 2, and nothing half-written."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from crispseg.cli.main import main
from crispseg.data import write_labels
from crispseg.jobs.resuming import SETTINGS_FILE
from tests.fakes import write_scored_folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Good data, and one file of every kind of badness beside it."""
    write_scored_folder(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "scene0.npy").write_bytes((tmp_path / "scores" / "scene0.npy").read_bytes())
    whole = (tmp_path / "images" / "scene0.png").read_bytes()
    (tmp_path / "truncated.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("not an image")
    np.save(tmp_path / "tall.npy", np.zeros((3, 8, 6), dtype=np.float32))
    np.save(tmp_path / "nan.npy", np.full((3, 6, 8), np.nan, dtype=np.float32))
    np.save(tmp_path / "negative.npy", np.full((3, 6, 8), -1, dtype=np.float32))
    Image.fromarray(np.zeros((6, 8, 3), dtype=np.uint8)).save(tmp_path / "colour.png")
    Image.fromarray(np.zeros((6, 8), dtype=np.uint8)).save(tmp_path / "labels.jpg")
    save_file({"fuse.weight": torch.zeros(64, 3, 1, 1)}, tmp_path / "other.safetensors")
    return tmp_path


def outputs(root: Path) -> list[Path]:
    """Return the files that were written for images."""
    return [path for path in (root / "out").rglob("*") if path.is_file() and path.name != SETTINGS_FILE]


SHARPEN = {
    "missing image": (
        ["{}/none.png", "--predictions", "{}/scores/scene0.npy"],
        "image {}/none.png: no such file or folder",
    ),
    "truncated image": (
        ["{}/truncated.png", "--predictions", "{}/scores/scene0.npy"],
        "image {}/truncated.png: damaged or truncated",
    ),
    "text for an image": (
        ["{}/text.png", "--predictions", "{}/scores/scene0.npy"],
        "image {}/text.png: not an image that Pillow can read; expected a PNG, JPEG or other image file",
    ),
    "empty folder": (
        ["{}/empty", "--predictions", "{}/scores"],
        "image folder {}/empty: no file ends in .png",
    ),
    "missing prediction": (
        ["{}/images/scene0.png", "--predictions", "{}/none.npy"],
        "prediction {}/none.npy: no such file or folder",
    ),
    "empty prediction folder": (
        ["{}/images", "--predictions", "{}/empty"],
        "prediction folder {}/empty: no file ends in .npy",
    ),
    "several images, one prediction": (
        ["{}/images", "--predictions", "{}/scores/scene0.npy"],
        "3 images but one prediction file {}/scores/scene0.npy; expected a folder of predictions",
    ),
    "another aspect": (
        ["{}/images/scene0.png", "--predictions", "{}/tall.npy"],
        "{}/tall.npy: image is 48x64 but its scores are 8x6, another aspect",
    ),
    "a JPEG of labels": (
        ["{}/images/scene0.png", "--predictions", "{}/labels.jpg"],
        "prediction {}/labels.jpg: unknown ending; expected one of .npy, .npz, .safetensors, .png, .bmp, .gif, .tif, "
        ".tiff: a JPEG changes the numbers of labels, so save them as PNG",
    ),
    "NaN": (
        ["{}/images/scene0.png", "--predictions", "{}/nan.npy"],
        "prediction {}/nan.npy: 144 of 144 scores are NaN or infinite; expected finite numbers",
    ),
    "not probabilities": (
        ["{}/images/scene0.png", "--predictions", "{}/negative.npy", "--scores", "probabilities"],
        "prediction {}/negative.npy: declared as probabilities, but ranges from -1 to -1; expected 0 to 1",
    ),
    "a colour label map": (
        ["{}/images/scene0.png", "--predictions", "{}/colour.png"],
        "label map {}/colour.png: its pixels are RGB; expected an indexed or greyscale image",
    ),
    "an even window": (
        ["{}/images/scene0.png", "--predictions", "{}/scores/scene0.npy", "--window", "8"],
        "argument --window: window size is 8; expected an odd number such as 9",
    ),
    "hardness 0": (
        ["{}/images/scene0.png", "--predictions", "{}/scores/scene0.npy", "--hardness", "0"],
        "argument --hardness: hardness is 0; expected a number above 0",
    ),
    "no passes": (
        ["{}/images/scene0.png", "--predictions", "{}/scores/scene0.npy", "--passes", "0"],
        "argument --passes: passes is 0; expected a whole number of 1 or more",
    ),
    "weights of another shape": (
        ["{}/images/scene0.png", "--predictions", "{}/scores/scene0.npy", "--weights", "{}/other.safetensors"],
        "weights {}/other.safetensors: mean is missing; expected shape (3,)",
    ),
    "missing weights": (
        ["{}/images/scene0.png", "--predictions", "{}/scores/scene0.npy", "--weights", "{}/none.safetensors"],
        "weights {}/none.safetensors: no such file",
    ),
    "no such device": (
        ["{}/images/scene0.png", "--predictions", "{}/scores/scene0.npy", "--device", "toaster"],
        "device 'toaster' cannot be used here",
    ),
    "fewer predictions than images": (
        ["{}/images", "--predictions", "{}/few"],
        "prediction folder {}/few: no prediction for 2 of 3 images, first for 'scene1'; expected a file",
    ),
    "a pattern of nothing": (
        ["{}/images/*.jpg", "--predictions", "{}/scores"],
        "images {}/images/*.jpg: no .png, .jpg",
    ),
    "a negative number of workers": (
        ["{}/images", "--predictions", "{}/scores", "--workers", "-1"],
        "workers is -1; expected a whole number of 0 or more",
    ),
    "an image for an address": (
        ["--predictions", "{}/scores", "{}/images/scene1.png", "--ray", "{}/images/scene0.png"],
        "Ray address is '{}/images/scene0.png'; expected auto, local or HOST:PORT",
    ),
    "a suffix of files that are not given": (
        ["{}/images", "--predictions", "{}/scores", "--boundary-suffix", "_edges"],
        "--boundary-suffix is given without --boundaries; add --boundaries, or leave it out",
    ),
    "no number": (
        ["{}/images/scene0.png", "--predictions", "{}/scores/scene0.npy", "--window", "wide"],
        "argument --window: window is 'wide'; expected",
    ),
}


@pytest.mark.parametrize("case", SHARPEN)
def test_sharpen(case: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = SHARPEN[case]
    command = ["sharpen", *(argument.format(root) for argument in arguments), "--output", str(root / "out")]
    assert main(command) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"crispseg sharpen: error: {message.format(root)}")
    assert error.count("\n") == 1
    assert not outputs(root)


def test_an_output_that_is_named_like_a_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, scores = root / "images" / "scene0.png", root / "scores" / "scene0.npy"
    command = ["sharpen", str(image), "--predictions", str(scores), "--output", str(root / "crisp.png")]
    assert main(command) == 2
    assert (
        f"has the ending of a file; expected a folder, to which each image adds files: --output {root / 'crisp'}"
        in (capsys.readouterr().err)
    )
    assert not (root / "crisp.png").exists()
    (root / "crisp.png").mkdir()
    assert main(command) == 0


def test_a_file_where_the_output_should_be(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, scores = root / "images" / "scene0.png", root / "scores" / "scene0.npy"
    command = ["sharpen", str(image), "--predictions", str(scores), "--output", str(root / "text.png")]
    assert main(command) == 2
    assert f"output folder {root}/text.png: cannot be written to" in capsys.readouterr().err
    assert (root / "text.png").read_text() == "not an image"


def test_an_output_folder_that_nobody_may_write(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, scores = root / "images" / "scene0.png", root / "scores" / "scene0.npy"
    assert main(["sharpen", str(image), "--predictions", str(scores), "--output", "/proc/out"]) == 2
    assert "output folder /proc/out: cannot be written to" in capsys.readouterr().err


def test_what_is_read_is_not_written_over(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.read_bytes() for path in (root / "images").iterdir()}
    command = ["sharpen", str(root / "images"), "--predictions", str(root / "scores"), "--output", str(root / "images")]
    assert main(command) == 2
    assert f"output {root}/images/scene0.png: is also an input" in capsys.readouterr().err
    assert {path: path.read_bytes() for path in (root / "images").iterdir()} == before


def evaluate(root: Path, **options: object) -> list[str]:
    given = {"images": root / "images", "labels": root / "labels", "predictions": root / "scores", "void": 11} | options
    return [
        "evaluate",
        *(text for name, value in given.items() for text in (f"--{name.replace('_', '-')}", str(value))),
    ]


def test_evaluate(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "masks").mkdir()
    for index in range(3):
        write_labels(root / "masks" / f"scene{index}.png", torch.full((6, 8), 9))
    for options, message in (
        ({"labels": root / "empty"}, f"label folder {root}/empty: no file ends in .png"),
        ({"predictions": root / "none"}, f"prediction folder {root}/none: no such folder"),
        ({"void": 255}, f"label map {root}/labels/scene0.png: label 11 is not one of the 3 classes; expected 0 to 2"),
        ({"num_classes": 2}, f"label map {root}/labels/scene0.png: label 2 is not one of the 2 classes"),
        ({"predictions": root / "masks"}, "predictions are label maps"),
        (
            {"predictions": root / "masks", "num_classes": 3},
            f"prediction {root}/masks/scene0.png: label 9 is not one of the 3 classes; expected 0 to 2 in every",
        ),
        ({"json": root / "text.png" / "a.json"}, f"output folder {root}/text.png: cannot be written to"),
        ({"json": root}, f"{root}: not a regular file; give the name of a file to write"),
        ({"num_classes": 70_000}, "70000 classes; expected 1 to 65536"),
        ({"hardness": 1e39}, "argument --hardness: hardness is 1e+39; expected a number above 0 and up to 1e+30"),
        ({"hardness": -1}, "argument --hardness: hardness is -1; expected a number above 0"),
    ):
        assert main(evaluate(root, **options)) == 2, options
        error = capsys.readouterr().err
        assert error.startswith(f"crispseg evaluate: error: {message}"), error
        assert error.count("\n") == 1


def test_tune_refuses_what_evaluate_refuses(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(3):
        np.save(root / "scores" / f"scene{index}.npy", np.zeros((3, 8, 6), dtype=np.float32))
    assert main(["tune", *evaluate(root)[1:]]) == 2
    assert "scene0.npy: image is 48x64 but its scores are 8x6, another aspect" in capsys.readouterr().err


def test_tune(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["tune", *evaluate(root)[1:]]
    for options, message in (
        (["--window", "9", "4"], "argument --window: window size is 4; expected an odd number such as 5"),
        (["--hardness", "0"], "argument --hardness: hardness is 0; expected a number above 0"),
        (["--passes", "0"], "argument --passes: passes is 0; expected"),
        (["--every", "0"], "every is 0; expected"),
    ):
        assert main([*command, *options]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"crispseg tune: error: {message}")
        assert error.count("\n") == 1


def test_an_interrupt_is_said_and_leaves_nothing(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["crispseg.jobs.job_sharpener"], "sharpen_one", interrupt)
    image, scores = root / "images" / "scene0.png", root / "scores" / "scene0.npy"
    assert main(["sharpen", str(image), "--predictions", str(scores), "--output", str(root / "out")]) == 130
    assert "interrupted" in capsys.readouterr().err
    assert not outputs(root)
