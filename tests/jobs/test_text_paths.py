"""Files may be named by text wherever Python code names them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crispseg import Sharpener
from crispseg.cues import RGBCue
from crispseg.data import LabelledFolder, LabelledPredictions, read_boundary, read_labels
from crispseg.jobs import Outputs, Written, sharpen_files
from crispseg.jobs.raster_polygons import write_polygons
from crispseg.jobs.rasters import sharpen_raster
from tests.fakes import write_boundaries, write_raster, write_scored_folder


@pytest.fixture
def root(tmp_path: Path) -> str:
    """Two images with labels, scores and boundary maps."""
    write_scored_folder(tmp_path, 2)
    write_boundaries(tmp_path, tmp_path / "edges")
    return str(tmp_path)


def test_many_images(root: str) -> None:
    sharpener = Sharpener(RGBCue(), window=5, passes=1).eval()
    images, scores = f"{root}/images", f"{root}/scores"
    folder: Any = f"{root}/b"
    ways = ([images], f"{root}/a"), (images, Outputs(folder)), (Path(images), Path(root, "c"))
    for given, output in ways:
        outcomes = sharpen_files(given, scores, output, sharpener)
        assert [type(one) for one in outcomes] == [Written, Written]
    assert read_labels(f"{root}/a/scene0.png").labels.shape == (48, 64)


def test_data(root: str) -> None:
    folder = LabelledFolder(Path(root, "images"), Path(root, "labels"))
    data = LabelledPredictions(folder, f"{root}/scores", boundaries=f"{root}/edges")
    assert len(data) == 2
    assert data.boundaries[0] is not None
    assert read_boundary(str(data.boundaries[0])).ndim == 3


def test_rasters(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    write_raster(tmp_path / "image.tif", rng.integers(0, 255, (3, 24, 32), np.uint8), 1)
    write_raster(tmp_path / "scores.tif", rng.normal(size=(3, 6, 8)).astype(np.float32), 4)
    image, scores, labels = (str(tmp_path / name) for name in ("image.tif", "scores.tif", "labels.tif"))
    sharpener = Sharpener(RGBCue(), window=5, passes=1).eval()
    sharpen_raster(image, scores, labels, sharpener, memory="16GiB", polygons=str(tmp_path / "a.gpkg"))
    write_polygons(labels, str(tmp_path / "b.geojson"), memory="16GiB")
    assert (tmp_path / "a.gpkg").is_file()
    assert (tmp_path / "b.geojson").is_file()
