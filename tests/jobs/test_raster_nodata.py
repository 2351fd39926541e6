"""Pixels of nodata have no label, and no influence on their neighbours."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp

from crispseg import InputError, Sharpener
from crispseg.cues import RGBCue
from crispseg.inference import tiles
from crispseg.jobs.rasters import sharpen_raster
from tests.fakes import draw_scene
from tests.jobs.test_sharpen_raster import write

IMAGE, LABELS = draw_scene(np.random.default_rng(0))
IMAGE = np.moveaxis(IMAGE, -1, 0)
PROBABILITIES = (LABELS[4::8, 4::8] == np.arange(3)[:, None, None]).astype(np.float32)
PLAIN: dict[str, Any] = {"window": 9, "passes": 5, "score_weight": 0, "guard": None}
CUES = {
    "rgb": Sharpener(RGBCue(), hardness=40, **PLAIN).eval(),
    "learned": Sharpener.from_pretrained(hardness=5.0, **PLAIN),
    "bilinear": Sharpener.from_pretrained(hardness=5.0, upsampling="bilinear", **PLAIN),
}
HOLE = (slice(16, 32), slice(24, 40))
COARSE_HOLE = (slice(2, 4), slice(3, 5))


def sharpened(folder: Path, sharpener: Sharpener, image: Path, prediction: Path, **options: Any) -> np.ndarray:
    """Labels, -1 for none."""
    sharpen_raster(image, prediction, folder / "out.tif", sharpener, memory="16GiB", **options)
    with rasterio.open(folder / "out.tif") as written:
        labels = written.read(1).astype(int)
        return labels if written.nodata is None else np.where(labels == written.nodata, -1, labels)


@pytest.mark.parametrize("cue", CUES)
@pytest.mark.parametrize("nodata", [-9999.0, float("nan"), -3.4028234663852886e38])
def test_missing_scores(cue: str, nodata: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "tile_side", lambda *_: 20)
    scores = np.where(PROBABILITIES > 0, 4, -4).astype(np.float32)
    whole = sharpened(tmp_path, CUES[cue], write(tmp_path / "i.tif", IMAGE), write(tmp_path / "p.tif", scores, 8))
    scores[(slice(None), *COARSE_HOLE)] = nodata
    holed = write(tmp_path / "h.tif", scores, 8, nodata=nodata)
    found = sharpened(tmp_path, CUES[cue], tmp_path / "i.tif", holed)
    assert (found[HOLE] == -1).all()
    found[HOLE] = whole[HOLE]
    assert (found >= 0).all()
    assert (found != whole).mean() < 0.02


@pytest.mark.parametrize("cue", ["rgb", "learned"])
def test_one_class_beside_nodata_stays_it(cue: str, tmp_path: Path) -> None:
    """Were -9999 or 0 averaged in, probabilities beside it would not be those of the only class."""
    labels = np.full((1, 6, 8), 2, np.uint8)
    labels[0, :, :2] = 1
    labels[0, :, 2:4] = 0
    image = np.full_like(IMAGE, 90)
    found = sharpened(
        tmp_path, CUES[cue], write(tmp_path / "i.tif", image), write(tmp_path / "p.tif", labels, 8, nodata=0)
    )
    assert (found[:, :16] == 1).all()
    assert (found[:, 16:32] == -1).all()
    assert (found[:, 32:] == 2).all()


@pytest.mark.parametrize("how", ["nodata", "alpha", "mask", "float"])
def test_what_lies_under_nodata_of_the_image_has_no_say(how: str, tmp_path: Path) -> None:
    prediction = write(tmp_path / "p.tif", PROBABILITIES, 8)
    found = []
    for seed, cue in ((0, "learned"), (1, "learned"), (0, "rgb")):
        image = np.where(IMAGE == 7, 8, IMAGE)
        there = np.random.default_rng(seed).integers(0, 256, (3, 16, 16), dtype=np.uint8)
        image[(slice(None), *HOLE)] = 7 if how == "nodata" else there
        opaque = np.full((1, 48, 64), 255, np.uint8)
        opaque[(slice(None), *HOLE)] = 0
        options: dict[str, Any] = {"photometric": "RGB"}
        bands: np.ndarray = image
        if how == "nodata":
            options["nodata"] = 7
        elif how == "alpha":
            bands = np.concatenate([image, opaque])
            options["alpha"] = "unspecified"
        elif how == "float":
            bands = image.astype(np.float32) / 255
            bands[(seed, *HOLE)] = np.nan
        path = write(tmp_path / "i.tif", bands, **options)
        with rasterio.open(path, "r+") as dataset:
            if how == "alpha":
                dataset.colorinterp = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
            elif how == "mask":
                dataset.write_mask(opaque[0])
        given = {"scores": "probabilities", "value_range": "full"}
        found.append(sharpened(tmp_path, CUES[cue], path, prediction, **given))
        (tmp_path / "i.tif.msk").unlink(missing_ok=True)
    assert (found[0][HOLE] == -1).all()
    assert (np.delete(found[0].ravel(), np.flatnonzero(found[0] < 0)) >= 0).all()
    assert (found[0] >= 0).sum() == 48 * 64 - 256
    assert (found[0] == found[1]).all()
    assert (found[2] < 0).sum() == 256


def test_beside_nodata_it_is_as_at_the_border(tmp_path: Path) -> None:
    """With colours for features, half an image beside nodata is that half by itself, to the pixel."""
    image, scores = IMAGE.copy(), PROBABILITIES.copy()
    image[:, :, 32:], scores[:, :, 4:] = 0, -9999
    given: dict[str, Any] = {"scores": "probabilities"}
    half = sharpened(
        tmp_path, CUES["rgb"], write(tmp_path / "i.tif", image[:, :, :32]),
        write(tmp_path / "p.tif", scores[:, :, :4], 8), **given,
    )  # fmt: skip
    found = sharpened(
        tmp_path, CUES["rgb"], write(tmp_path / "i.tif", image),
        write(tmp_path / "p.tif", scores, 8, nodata=-9999), **given,
    )  # fmt: skip
    assert (found[:, :32] == half).all()
    assert (found[:, 32:] == -1).all()


def test_the_nodata_value_is_written(tmp_path: Path) -> None:
    labels = LABELS[None, 4::8, 4::8] + 1
    labels[0, 0, 0] = 0
    for nodata, expected in ((0, 0), (9, 9), (None, None)):
        prediction = write(tmp_path / "p.tif", labels, 8, nodata=nodata)
        sharpened(tmp_path, CUES["rgb"], write(tmp_path / "i.tif", IMAGE), prediction)
        with rasterio.open(tmp_path / "out.tif") as written:
            assert written.nodata == expected
            assert (written.read(1)[:8, :8] == 0).all() == (nodata == 0)


def test_no_class_is_taken_for_nodata(tmp_path: Path) -> None:
    labels = np.repeat(np.array([[[254, 255]]], np.uint8), 6, 1).repeat(4, 2)
    image = np.concatenate([IMAGE, np.full((1, 48, 64), 255, np.uint8)])
    image[3, :8, :8] = 0
    path = write(tmp_path / "i.tif", image, photometric="RGB", alpha="yes")
    found = sharpened(tmp_path, CUES["rgb"], path, write(tmp_path / "p.tif", labels, 8))
    assert (found[:8, :8] == -1).all()
    assert set(np.unique(found)) == {-1, 254, 255}


@pytest.mark.parametrize("scale", [255, 10000])
def test_whole_numbers_are_scaled_as_said(scale: int, tmp_path: Path) -> None:
    image = write(tmp_path / "i.tif", IMAGE)
    soft = 0.8 * PROBABILITIES + 0.1 * np.array([1, 0, 1], np.float32)[:, None, None]
    stored = (soft * scale).round().astype(np.uint8 if scale == 255 else np.uint16)
    given: dict[str, Any] = {"scores": "probabilities"}
    floats = write(tmp_path / "f.tif", stored.astype(np.float32) / scale, 8)
    whole = write(tmp_path / "w.tif", stored, 8)
    expected = sharpened(tmp_path, CUES["rgb"], image, floats, **given)
    assert (sharpened(tmp_path, CUES["rgb"], image, whole, scale=scale, **given) == expected).all()
    with rasterio.open(whole, "r+") as dataset:
        dataset.scales = (1 / scale,) * 3
    assert (sharpened(tmp_path, CUES["rgb"], image, whole, **given) == expected).all()
    for wrong in ({"scale": scale}, {"scale": 0, **given}, {"scale": -1, **given}):
        with pytest.raises(InputError, match="scores probabilities"):
            sharpened(tmp_path, CUES["rgb"], image, whole, **wrong)
    with pytest.raises(InputError, match="scale of 255; expected no scale for floating-point"):
        sharpened(tmp_path, CUES["rgb"], image, floats, scale=255, **given)


def test_a_probability_of_0_is_no_nodata(tmp_path: Path) -> None:
    prediction = write(tmp_path / "p.tif", PROBABILITIES, 8, nodata=0)
    found = sharpened(tmp_path, CUES["rgb"], write(tmp_path / "i.tif", IMAGE), prediction, scores="probabilities")
    assert (found >= 0).all()
