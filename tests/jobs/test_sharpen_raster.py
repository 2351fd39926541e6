"""Rasters in parts: the same labels as in one piece, where they lie on the ground, within the memory."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from rasterio.crs import CRS
from rasterio.transform import from_origin

from crispseg import InputError, Sharpener, sharpen_array
from crispseg.inference import tiles
from crispseg.jobs.raster_parts import parts_file
from crispseg.jobs.rasters import sharpen_raster
from tests.fakes import draw_scene

CRS_, PLACE = CRS.from_epsg(25832), from_origin(500000, 5700000, 0.2, 0.2)


def write(path: Path, bands: np.ndarray, pixel: float = 1, **options: Any) -> Path:
    """A raster whose pixels are so many times those of the images here."""
    count, height, width = bands.shape
    place = {"crs": CRS_, "transform": PLACE * PLACE.scale(pixel)} | options
    profile = {"driver": "GTiff", "width": width, "height": height, "count": count, "dtype": bands.dtype} | place
    with rasterio.open(path, "w", **profile) as dataset:
        dataset.write(bands)
    return path


@pytest.fixture
def scene(tmp_path: Path) -> tuple[Path, np.ndarray, np.ndarray]:
    image, labels = draw_scene(np.random.default_rng(0))
    image, labels = (np.concatenate([part] * 7, axis=0) for part in (image, labels))
    return tmp_path, np.concatenate([image] * 5, 1), np.concatenate([labels] * 5, 1)


@pytest.fixture(scope="module")
def sharpener() -> Sharpener:
    """A filter that reaches 52 pixels, much less than the scene, and mixes what lies there."""
    return Sharpener.from_pretrained(window="5@8,5@4,5", passes=2, hardness=0.5, guard=None)


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        assert dataset.crs == CRS_
        assert dataset.transform == PLACE
        values: np.ndarray = dataset.read(1)
    return values


@pytest.mark.slow  # many small tiles
@pytest.mark.parametrize("side", [70, 256, 300])
def test_a_label_map_of_a_raster(
    side: int, scene: tuple[Path, np.ndarray, np.ndarray], sharpener: Sharpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, image, labels = scene
    coarse = 100 * labels[4::8, 4::8]
    monkeypatch.setattr(tiles, "tile_side", lambda *_: side)
    shares: list[float] = []
    sharpen_raster(
        write(folder / "image.tif", np.moveaxis(image, -1, 0)),
        write(folder / "labels.tif", coarse[None], 8),
        folder / "out" / "crisp.tif",
        sharpener,
        memory="16GiB",
        done=shares.append,
    )
    whole = sharpen_array(image, coarse, sharpener=sharpener)
    assert (read(folder / "out" / "crisp.tif") == whole).mean() > 0.9999  # a tie may fall the other way
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_scores_in_bands_and_16_bits(scene: tuple[Path, np.ndarray, np.ndarray], sharpener: Sharpener) -> None:
    folder, image, labels = scene
    scores = (labels[4::8, 4::8] == np.arange(3)[:, None, None]).astype(np.float32) * 4
    sharpen_raster(
        write(folder / "image.tif", np.moveaxis(image, -1, 0).astype(np.uint16) * 257),
        write(folder / "scores.tif", scores, 8),
        folder / "crisp.tif",
        sharpener,
        memory="16GiB",
    )
    whole = sharpen_array(image, scores, sharpener=sharpener).argmax(0)
    assert (read(folder / "crisp.tif") == whole).mean() > 0.9999


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"image": np.zeros((2, 64, 64), np.uint8)}, "2 bands of uint8.*expected red, green and blue.*--bands"),
        ({"image": np.full((3, 64, 64), np.nan, np.float32)}, "no finite values"),
        ({"image": np.zeros((3, 64, 64), np.complex64)}, "are complex"),
        ({"prediction": np.zeros((2, 8, 8), np.complex64)}, "are complex"),
        ({"prediction": np.zeros((3, 8, 8), np.uint8)}, "3 bands of uint8.*--scale 255"),
        ({"prediction": np.arange(64, dtype=np.float32).reshape(1, 8, 8)}, "whole numbers.*gdal_translate"),
        ({"prediction": np.full((1, 8, 8), -1, np.int16)}, "labels from -1 to -1"),
        ({"prediction": np.full((2, 8, 8), np.nan, np.float32)}, "not nodata"),
        ({"memory": "1MB"}, "too small for a tile"),
        ({"memory": "lots"}, "expected a size such as 2GiB"),
    ],
)
def test_bad_input_is_refused_and_no_output_is_written(
    given: dict[str, Any], said: str, tmp_path: Path, sharpener: Sharpener
) -> None:
    image = write(tmp_path / "image.tif", given.get("image", np.zeros((3, 64, 64), np.uint8)))
    labels = write(tmp_path / "labels.tif", given.get("prediction", np.zeros((1, 8, 8), np.uint8)), 8)
    output = tmp_path / "out" / "crisp.tif"
    with pytest.raises(InputError, match=said):
        sharpen_raster(image, labels, output, sharpener, memory=given.get("memory", "16GiB"))
    # Parts that were finished before a fault stay: a file that cannot be read for a moment must not cost hours.
    assert not output.parent.exists() or set(output.parent.iterdir()) <= {parts_file(output)}


def test_files_that_are_no_rasters_are_refused(tmp_path: Path, sharpener: Sharpener) -> None:
    image = write(tmp_path / "image.tif", np.zeros((3, 64, 64), np.uint8))
    (tmp_path / "text.tif").write_text("no raster")
    with pytest.raises(InputError, match="cannot be read as a raster"):
        sharpen_raster(image, tmp_path / "text.tif", tmp_path / "crisp.tif", sharpener, memory="16GiB")
    with pytest.raises(InputError, match="no such file"):
        sharpen_raster(tmp_path / "none.tif", image, tmp_path / "crisp.tif", sharpener, memory="16GiB")
    truncated = tmp_path / "truncated.tif"
    truncated.write_bytes(image.read_bytes()[:5000])
    labels = write(tmp_path / "labels.tif", np.zeros((1, 8, 8), np.uint8), 8)
    with pytest.raises(InputError, match=r"truncated\.tif"):
        sharpen_raster(truncated, labels, tmp_path / "crisp.tif", sharpener, memory="16GiB")
    assert torch.is_inference_mode_enabled() is False


def test_masks_of_objects_are_asked_about(tmp_path: Path, sharpener: Sharpener) -> None:
    image = write(tmp_path / "image.tif", np.zeros((3, 64, 64), np.uint8))
    masks = np.full((3, 64, 64), -12, np.float32)
    masks[0, :20, :20] = masks[2, 30:50, 30:50] = 9
    scores, output = write(tmp_path / "scores.tif", masks), tmp_path / "out.tif"
    with pytest.raises(InputError, match=r"scores\.tif.*masks of 3 objects.*--scores multilabel.*--scores logits"):
        sharpen_raster(image, scores, output, sharpener, memory="16GiB")
    assert not output.exists()
    for kind in ("logits", "multilabel"):
        sharpen_raster(image, scores, output, sharpener, memory="16GiB", scores=kind)
