"""Image and prediction are compared on the ground, and the result lies where the image does."""

import logging
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC
from rasterio.warp import Resampling, calculate_default_transform, reproject

from crispseg import InputError
from crispseg.data.box import Box
from crispseg.data.raster import on_the_ground_of, opened_raster
from crispseg.data.raster.opening import rasterio_, read_part
from tests.jobs.test_raster_nodata import CUES, IMAGE, LABELS, sharpened
from tests.jobs.test_sharpen_raster import CRS_, PLACE, write

FINE = np.kron(LABELS[4::8, 4::8], np.ones((8, 8), np.uint8))[None]
COARSE = LABELS[None, 4::8, 4::8]

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")


@pytest.fixture
def expected(tmp_path: Path) -> np.ndarray:
    image = write(tmp_path / "image.tif", IMAGE)
    return sharpened(tmp_path, CUES["rgb"], image, write(tmp_path / "coarse.tif", COARSE, 8))


def made(folder: Path, labels: np.ndarray, **options: Any) -> np.ndarray:
    return sharpened(folder, CUES["rgb"], folder / "image.tif", write(folder / "p.tif", labels, 8, **options))


def test_a_larger_prediction_is_read_where_it_lies(
    expected: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    around = np.pad(COARSE, ((0, 0), (2, 3), (1, 4)), mode="edge")
    with caplog.at_level(logging.WARNING):
        found = made(tmp_path, around, transform=PLACE * Affine.scale(8) * Affine.translation(-1, -2))
    assert (found == expected).mean() > 0.99
    assert "warped" in caplog.text


def test_a_part_is_read_where_it_lies_and_the_rest_is_nodata(
    expected: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        found = made(tmp_path, COARSE[:, :, 4:], transform=PLACE * Affine.scale(8) * Affine.translation(4, 0))
    assert (found[:, :32] == -1).all()
    assert (found[:, 40:] == expected[:, 40:]).mean() > 0.98
    assert "covers 51 % of the image" in caplog.text  # of a lattice of points


def test_a_prediction_of_the_same_extent_may_have_pixels_of_another_shape(expected: np.ndarray, tmp_path: Path) -> None:
    found = made(tmp_path, COARSE[:, :, ::2], transform=PLACE * Affine.scale(16, 8))
    files = CUES["rgb"], tmp_path / "image.tif", tmp_path / "p.tif"
    assert (found == sharpened(tmp_path, *files, grid="stretched")).all()
    assert (found == expected).mean() > 0.8
    with pytest.raises(InputError, match="another aspect ratio"):  # nothing but the option says that they fit
        sharpened(tmp_path, *files, same_extent=True)


@pytest.mark.parametrize(("right", "down"), [(2_000_000, 0), (0, 2_000_000), (65, 0), (-65, 0), (0, 49)])
def test_a_prediction_elsewhere_is_refused(right: float, down: float, expected: np.ndarray, tmp_path: Path) -> None:
    del expected
    (tmp_path / "out.tif").unlink()
    with pytest.raises(InputError, match="does not overlap"):
        made(tmp_path, COARSE, transform=PLACE * Affine.translation(right, down) * Affine.scale(8))
    assert not (tmp_path / "out.tif").exists()


@pytest.mark.parametrize("code", [4326, 3857, 32633])
def test_another_reference_system_is_warped(code: int, expected: np.ndarray, tmp_path: Path) -> None:
    crs = CRS.from_epsg(code)
    with rasterio.open(tmp_path / "image.tif") as image:
        place, width, height = calculate_default_transform(CRS_, crs, 64, 48, *image.bounds)
    there = np.full((1, height, width), 9, np.uint8)
    reproject(
        FINE, there, src_transform=PLACE, src_crs=CRS_, dst_transform=place, dst_crs=crs, init_dest_nodata=False,
        src_nodata=9, dst_nodata=9, resampling=Resampling.nearest,
    )  # fmt: skip
    found = sharpened(
        tmp_path, CUES["rgb"], tmp_path / "image.tif",
        write(tmp_path / "p.tif", there, crs=crs, transform=place, nodata=9),
    )  # fmt: skip
    inner = (slice(4, -4), slice(4, -4))
    assert (found[inner] >= 0).mean() > 0.98
    assert (found[inner] == expected[inner]).mean() > 0.95
    away = Affine.translation(4 if code == 4326 else 400_000, 0) * place
    far = write(tmp_path / "p.tif", there, crs=crs, transform=away)
    with pytest.raises(InputError, match="does not overlap"):
        sharpened(tmp_path, CUES["rgb"], tmp_path / "image.tif", far)


def test_warping_does_not_rely_on_what_others_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process of its own, a prediction in another reference system was an AttributeError."""
    monkeypatch.delitem(sys.modules, "rasterio.warp")
    monkeypatch.delattr(rasterio, "warp")
    (longitude,), _ = rasterio_().warp.transform("EPSG:32633", "EPSG:4326", [500000], [0])
    assert longitude == pytest.approx(15)


def test_a_grid_that_is_turned_or_upside_down(expected: np.ndarray, tmp_path: Path) -> None:
    place = PLACE * Affine.scale(8)
    upside_down = place * Affine.translation(0, 6) * Affine.scale(1, -1)
    assert (made(tmp_path, COARSE[:, ::-1], transform=upside_down) == expected).mean() > 0.99
    turned = PLACE * Affine.rotation(30)
    write(tmp_path / "image.tif", IMAGE, transform=turned)
    assert (made(tmp_path, COARSE, transform=turned * Affine.scale(8)) == expected).all()
    with rasterio.open(tmp_path / "out.tif") as written:
        assert written.transform.almost_equals(turned, 1e-6)
    south_up = PLACE * Affine.scale(1, -1)
    write(tmp_path / "image.tif", IMAGE, transform=south_up)
    assert (made(tmp_path, COARSE, transform=south_up * Affine.scale(8)) == expected).all()


@pytest.mark.parametrize(
    "options",
    [
        {"transform": Affine.identity(), "crs": None},
        {"crs": None},
        {
            "transform": Affine.identity(),
            "gcps": [GroundControlPoint(row, column, column, -row, 0) for row in (0, 6) for column in (0, 8)],
        },
    ],
)
def test_a_prediction_that_does_not_say_where_it_lies_is_asked_about(
    options: dict[str, Any], expected: np.ndarray, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="--same-extent"):
        made(tmp_path, COARSE, **options)
    found = sharpened(tmp_path, CUES["rgb"], tmp_path / "image.tif", tmp_path / "p.tif", same_extent=True)
    assert (found == expected).all()


def test_rasters_without_a_place(expected: np.ndarray, tmp_path: Path) -> None:
    nowhere: dict[str, Any] = {"transform": Affine.identity(), "crs": None}
    write(tmp_path / "image.tif", IMAGE, **nowhere)
    assert (made(tmp_path, COARSE, **nowhere) == expected).all()
    local: dict[str, Any] = {"crs": None}
    write(tmp_path / "image.tif", IMAGE, **local)
    around = np.pad(COARSE, ((0, 0), (2, 2), (1, 1)), mode="edge")
    place = PLACE * Affine.scale(8) * Affine.translation(-1, -2)
    assert (made(tmp_path, around, transform=place, **local) == expected).mean() > 0.99


def test_control_points_rpcs_colours_and_names_are_kept(tmp_path: Path) -> None:
    points = [
        GroundControlPoint(row, column, 10 + column / 100, 50 - row / 100, 0) for row in (0, 48) for column in (0, 64)
    ]
    nowhere: dict[str, Any] = {"transform": Affine.identity()}
    image = write(tmp_path / "image.tif", IMAGE, gcps=points, **nowhere)
    labels = write(tmp_path / "p.tif", COARSE, 8, photometric="palette")
    colours = {0: (1, 2, 3, 255), 1: (10, 20, 30, 255), 2: (99, 88, 77, 255)}
    with rasterio.open(labels, "r+") as dataset:
        dataset.write_colormap(1, colours)
    sharpened(tmp_path, CUES["rgb"], image, labels, same_extent=True)
    with rasterio.open(tmp_path / "out.tif") as written:
        assert [(point.x, point.y) for point in written.gcps[0]] == [(point.x, point.y) for point in points]
        assert written.gcps[1] == CRS_
        assert {label: written.colormap(1)[label] for label in colours} == colours
    rpc = RPC(
        height_off=1, height_scale=2, lat_off=50, lat_scale=1, line_den_coeff=[1.0] + [0.0] * 19,
        line_num_coeff=[0.5] * 20, line_off=24, line_scale=24, long_off=10, long_scale=1,
        samp_den_coeff=[1.0] + [0.0] * 19, samp_num_coeff=[0.25] * 20, samp_off=32, samp_scale=32,
    )  # fmt: skip
    image = write(tmp_path / "image.tif", IMAGE, rpcs=rpc, crs=None, **nowhere)
    scores = write(tmp_path / "p.tif", (np.arange(3)[:, None, None] == COARSE).astype(np.float32), 8)
    with rasterio.open(scores, "r+") as dataset:
        dataset.descriptions = ("water", "road", "roof")
    sharpened(tmp_path, CUES["rgb"], image, scores, same_extent=True, scores="probabilities")
    with rasterio.open(tmp_path / "out.tif") as written:
        assert written.rpcs.samp_num_coeff == rpc.samp_num_coeff
        assert written.tags(1)["CLASS_2"] == "roof"


def test_a_small_part_of_a_warped_raster_takes_no_longer_than_a_large_one(tmp_path: Path) -> None:
    scores = np.random.default_rng(0).normal(size=(12, 300, 700)).astype(np.float32)
    image = write(tmp_path / "image.tif", np.zeros((1, 300, 700), np.uint8))
    shifted = write(tmp_path / "p.tif", scores, transform=PLACE * Affine.translation(20, 10))
    seconds, found = {}, {}
    with (
        opened_raster(image, "image", 2**30) as like,
        opened_raster(shifted, "scores", 2**30) as given,
        on_the_ground_of(like, given) as there,
    ):
        for box in (Box(0, 0, 300, 500), Box(290, 690, 300, 700), Box(0, 0, 300, 700)):
            start = time.process_time()
            found[box] = read_part(there, list(there.indexes), box)
            seconds[box] = time.process_time() - start
    *parts, whole = found
    for part in parts:
        np.testing.assert_array_equal(found[part], found[whole][:, *part.slices])
        assert seconds[part] < 3 * seconds[whole]
