"""Rasters of any size from the command line."""

from pathlib import Path

import numpy as np
import pytest
import rasterio

from crispseg import Sharpener, sharpen_array
from crispseg.cli.main import main
from crispseg.data import read_labels
from tests.fakes import draw_scene, write_folder, write_raster


@pytest.fixture
def field(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    """`image.tif` and `scores.tif` at an eighth of its size; and their pixels."""
    image, labels = draw_scene(np.random.default_rng(0))
    scores = 4.0 * (labels[4::8, 4::8] == np.arange(3)[:, None, None]).astype(np.float32)
    write_raster(tmp_path / "image.tif", np.moveaxis(image, -1, 0), 1)
    write_raster(tmp_path / "scores.tif", scores, 8)
    return tmp_path, image, scores


def raster(folder: Path, *options: str) -> int:
    files = ("--predictions", str(folder / "scores.tif"), "--output", str(folder / "labels.tif"))
    return main(["raster", str(folder / "image.tif"), *files, *options])


def test_it_is_what_python_gives(
    field: tuple[Path, np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, image, scores = field
    assert raster(folder, "--memory", "16GiB", "--passes", "3", "--weights", "best") == 0
    assert f"{folder}/labels.tif  " in capsys.readouterr().out
    with rasterio.open(folder / "labels.tif") as written:
        assert written.crs == "EPSG:32633"
        labels = written.read(1)
    expected = sharpen_array(image, scores, sharpener=Sharpener.from_pretrained("best", passes=3).nearby()).argmax(0)
    assert (labels == expected).mean() > 0.999


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cue", "contour"], "needs boundary maps, which this command does not read"),
        (["--cue", "none"], "choose a cue: learned"),
        (["--memory", "1MB"], "too small for a tile"),
        (["--memory", "much"], "expected a size such as 2GiB"),
        (["--cue", "rgb", "--weights", "best"], "--weights does not go with --cue rgb"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(
    options: list[str], said: str, field: tuple[Path, np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    assert raster(field[0], *options) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert said in lines[0]
    assert sorted(path.name for path in field[0].iterdir()) == ["image.tif", "scores.tif"]


def test_a_raster_may_be_a_png(tmp_path: Path) -> None:
    """As the error on an image that is too large promises."""
    write_folder(tmp_path, 1)
    image, said, output = (tmp_path / name / "scene0.png" for name in ("images", "labels", "out"))
    command = ["raster", image, "--predictions", said, "--output", output.with_suffix(".tif"), "--cue", "rgb"]
    assert main([*map(str, command), "--memory", "16GiB"]) == 0  # of which this process holds some already
    assert read_labels(output.with_suffix(".tif")).labels.shape == (48, 64)


def test_a_tolerance_without_polygons_is_refused(
    field: tuple[Path, np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    assert raster(field[0], "--tolerance", "2") == 2
    assert "--tolerance is given without --polygons" in capsys.readouterr().err
    assert not (field[0] / "labels.tif").exists()


@pytest.mark.parametrize("output", [".", "/", "labels.png"])
def test_an_output_that_is_no_geotiff_is_refused(
    output: str, field: tuple[Path, np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    assert raster(field[0], "--output", output) == 2
    assert "expected a name that ends in .tif or .tiff" in capsys.readouterr().err
