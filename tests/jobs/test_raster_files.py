"""Rasters stored in every way, and files that are not what they seem."""

import http.server
import itertools
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from PIL import Image
from rasterio.enums import ColorInterp

from crispseg import InputError
from crispseg.cli.main import main
from crispseg.inference import tiles
from crispseg.jobs.rasters import sharpen_raster
from tests.jobs.small_tiles import COMMAND
from tests.jobs.test_raster_nodata import CUES, IMAGE, LABELS, PROBABILITIES, sharpened
from tests.jobs.test_sharpen_raster import write

COARSE = LABELS[None, 4::8, 4::8]
LAYOUTS: dict[str, dict[str, Any]] = {
    "one block": {"blockysize": 48},
    "strips of a row": {"blockysize": 1},
    "squares of 16": {"tiled": True, "blockxsize": 16, "blockysize": 16},
    "bands apart": {"interleave": "band"},
    "pixel by pixel": {"interleave": "pixel", "compress": "lzw", "predictor": 2},
    "deflate": {"compress": "deflate"},
    "BigTIFF": {"bigtiff": "yes"},
}


pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # of photographs


@pytest.fixture
def expected(tmp_path: Path) -> np.ndarray:
    image = write(tmp_path / "image.tif", IMAGE)
    return sharpened(tmp_path, CUES["rgb"], image, write(tmp_path / "p.tif", COARSE, 8))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_blocks_and_compression(
    layout: str, expected: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "tile_side", lambda *_: 20)
    image = write(tmp_path / "image.tif", IMAGE, **LAYOUTS[layout])
    assert (sharpened(tmp_path, CUES["rgb"], image, tmp_path / "p.tif") == expected).mean() > 0.999


@pytest.mark.parametrize(("height", "width"), list(itertools.product([1, 2, 17, 300], repeat=2)))
def test_any_size(height: int, width: int, tmp_path: Path) -> None:
    image = write(tmp_path / "image.tif", np.full((3, height, width), 60, np.uint8))
    labels = np.full((1, height, width), 3, np.uint8)
    for cue in ("rgb", "learned"):
        assert (sharpened(tmp_path, CUES[cue], image, write(tmp_path / "p.tif", labels)) == 3).all()


@pytest.mark.parametrize("what", ["image", "prediction"])
def test_blocks_that_do_not_fit_into_the_memory_are_refused(what: str, tmp_path: Path) -> None:
    bands = np.zeros((3 if what == "image" else 1, 2048, 2048), np.uint8)
    large = write(tmp_path / "large.tif", bands, tiled=True, blockxsize=2048, blockysize=2048, compress="deflate")
    small = write(tmp_path / "small.tif", np.zeros((4 - len(bands), 64, 64), np.uint8), 32)
    files = (large, small) if what == "image" else (small, large)
    with pytest.raises(InputError, match=r"blocks of 2048×2048 pixels.*TILED=YES"):
        sharpen_raster(CUES["rgb"], *files, tmp_path / "out.tif", memory="15MB")
    assert not (tmp_path / "out.tif").exists()


def test_a_header_that_claims_a_million_pixels_a_side_is_refused_at_once(tmp_path: Path) -> None:
    claims = {"driver": "GTiff", "width": 10**6, "height": 10**6, "count": 1, "dtype": "uint8", "sparse_ok": True}
    with rasterio.open(tmp_path / "claims.tif", "w", tiled=True, blockxsize=2048, blockysize=2048, **claims):
        pass
    image = write(tmp_path / "image.tif", IMAGE)
    start = time.process_time()
    with pytest.raises(InputError, match=r"1000000×1000000 pixels in \d+ blocks"):
        sharpen_raster(CUES["rgb"], image, tmp_path / "claims.tif", tmp_path / "out.tif", memory="20MiB")
    assert time.process_time() - start < 20


def test_colours_are_found_by_their_tags(expected: np.ndarray, tmp_path: Path) -> None:
    bands = np.stack([IMAGE[2], IMAGE[1], IMAGE[0], IMAGE[0] // 3])
    image = write(tmp_path / "image.tif", bands)
    tagged = (ColorInterp.blue, ColorInterp.green, ColorInterp.red, ColorInterp.undefined)
    with rasterio.open(image, "r+") as dataset:
        dataset.colorinterp = tagged
    assert (sharpened(tmp_path, CUES["rgb"], image, tmp_path / "p.tif") == expected).all()
    write(tmp_path / "image.tif", bands)
    assert (sharpened(tmp_path, CUES["rgb"], image, tmp_path / "p.tif", bands=(3, 2, 1)) == expected).all()
    with rasterio.open(image, "r+") as dataset:
        dataset.descriptions = ("Blue", "Green", "Red", "NIR")
    assert (sharpened(tmp_path, CUES["rgb"], image, tmp_path / "p.tif") == expected).all()


def test_other_bands_than_colours_are_asked_about(
    expected: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    image = write(tmp_path / "image.tif", IMAGE)
    with rasterio.open(image, "r+") as dataset:
        dataset.descriptions = ("B2", "B3", "B4")
    assert (sharpened(tmp_path, CUES["rgb"], image, tmp_path / "p.tif") == expected).all()
    assert "B2" in caplog.text
    assert "--bands" in caplog.text
    with rasterio.open(image, "r+") as dataset:
        dataset.colorinterp = (ColorInterp.nir, ColorInterp.red, ColorInterp.green)
    with pytest.raises(InputError, match=r"tagged nir, red, green.*--bands"):
        sharpened(tmp_path, CUES["rgb"], image, tmp_path / "p.tif")
    for bands in ((1, 2), (0, 1, 2), (1, 2, 4)):
        with pytest.raises(InputError, match="three numbers from 1 to 3"):
            sharpened(tmp_path, CUES["rgb"], image, tmp_path / "p.tif", bands=bands)
    four = write(tmp_path / "four.tif", IMAGE[[2, 1, 0, 0]], photometric="minisblack", alpha="unspecified")
    for colours, said in ((None, "reading band 1, band 2, band 3 as red"), ((3, 2, 1), "")):
        caplog.clear()
        sharpened(tmp_path, CUES["rgb"], four, tmp_path / "p.tif", bands=colours)
        assert said in caplog.text
        assert bool(said) == bool(caplog.text)


def test_one_band_serves_for_all_three_colours(expected: np.ndarray, tmp_path: Path) -> None:
    del expected
    grey = write(tmp_path / "grey.tif", IMAGE[1:2])
    threefold = sharpened(tmp_path, CUES["rgb"], write(tmp_path / "i.tif", IMAGE[[1, 1, 1]]), tmp_path / "p.tif")
    assert (sharpened(tmp_path, CUES["rgb"], grey, tmp_path / "p.tif") == threefold).all()
    assert (sharpened(tmp_path, CUES["rgb"], tmp_path / "image.tif", tmp_path / "p.tif", bands=(2,)) == threefold).all()
    two = write(tmp_path / "two.tif", IMAGE[:2])
    with pytest.raises(InputError, match=r"2 bands.*--bands R,G,B, or one number"):
        sharpened(tmp_path, CUES["rgb"], two, tmp_path / "p.tif")


def test_near_infrared_that_is_tagged_alpha_is_told_and_can_be_read(
    expected: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """GDAL tags the fourth band of uint8 so, if nobody says otherwise."""
    del expected
    infrared = np.where(IMAGE[2] > 200, 0, IMAGE[2] // 2)
    four = write(tmp_path / "four.tif", np.concatenate([IMAGE, infrared[None]]))
    found = sharpened(tmp_path, CUES["rgb"], four, tmp_path / "p.tif")
    assert ((found == -1) == (infrared == 0)).all()
    assert "band 4 is tagged alpha" in caplog.text
    three = write(tmp_path / "three.tif", np.stack([infrared, IMAGE[0], IMAGE[1]]))
    caplog.clear()
    found = sharpened(tmp_path, CUES["rgb"], four, tmp_path / "p.tif", bands=(4, 1, 2))
    assert (found == sharpened(tmp_path, CUES["rgb"], three, tmp_path / "p.tif")).all()
    assert not caplog.text


def test_reflectances_are_as_good_as_bytes(
    expected: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Sentinel-2's 0 to 3000 in 16 bits was black."""
    for kind, factor in ((np.uint16, 3000 / 255), (np.int16, 3000 / 255), (np.float32, 0.3 / 255)):
        image = write(tmp_path / "image.tif", (IMAGE * factor).astype(kind))
        said = sharpened(tmp_path, CUES["rgb"], image, tmp_path / "p.tif", value_range=(0, 255 * factor))
        assert (said == expected).mean() > 0.99
        assert not caplog.text
        found = sharpened(tmp_path, CUES["rgb"], image, tmp_path / "p.tif")
        assert (found == expected).mean() > 0.95
        assert "2nd and 98th percentile" in caplog.text
        caplog.clear()


def test_a_palette_is_an_image(tmp_path: Path) -> None:
    colours = {0: (200, 60, 40, 255), 1: (40, 90, 200, 255), 2: (90, 190, 60, 255)}
    painted = np.array([colours[label][:3] for label in range(3)], np.uint8)[LABELS]
    prediction = write(tmp_path / "p.tif", COARSE, 8)
    image = write(tmp_path / "image.tif", np.moveaxis(painted, -1, 0))
    expected = sharpened(tmp_path, CUES["rgb"], image, prediction)
    indexed = write(tmp_path / "indexed.tif", LABELS[None], photometric="palette")
    with rasterio.open(indexed, "r+") as dataset:
        dataset.write_colormap(1, colours)
    assert (sharpened(tmp_path, CUES["rgb"], indexed, prediction) == expected).all()


@pytest.mark.parametrize("name", ["photo.png", "photo.jpg", "photo.bmp"])
def test_plain_photographs(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "tile_side", lambda *_: 20)
    Image.fromarray(np.moveaxis(IMAGE, 0, -1)).save(tmp_path / name)
    Image.fromarray(COARSE[0]).save(tmp_path / "p.png")
    arguments = [str(tmp_path / name), "--predictions", str(tmp_path / "p.png"), "--output", str(tmp_path / "out.tif")]
    assert main(["raster", *arguments, "--cue", "rgb", "--memory", "8GiB"]) == 0
    with rasterio.open(tmp_path / "out.tif") as written:
        assert (written.read(1) == LABELS).mean() > 0.9
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "p.png", "out.tif"])


class _Asked(http.server.BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012 - of the class that the server makes instances of

    def do_GET(self) -> None:
        self.asked.append(self.path)
        self.send_error(404)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    _Asked.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Asked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


VRT = """<VRTDataset rasterXSize="64" rasterYSize="48"><VRTRasterBand dataType="Byte" band="1"><SimpleSource>
<SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"""
WMS = """<GDAL_WMS><Service name="TMS"><ServerUrl>{source}/${{z}}/${{x}}/${{y}}.png</ServerUrl></Service><DataWindow>
<UpperLeftX>0</UpperLeftX><UpperLeftY>48</UpperLeftY><LowerRightX>64</LowerRightX><LowerRightY>0</LowerRightY>
<SizeX>64</SizeX><SizeY>48</SizeY></DataWindow><BandsCount>3</BandsCount></GDAL_WMS>"""


@pytest.mark.parametrize("name", ["field.vrt", "field.tif"])
@pytest.mark.parametrize("content", [VRT, WMS])
def test_what_names_other_files_or_addresses_is_not_read(
    name: str, content: str, address: str, expected: np.ndarray, tmp_path: Path
) -> None:
    del expected
    for source in (f"/vsicurl/{address}/secret.tif" if content is VRT else address, str(tmp_path / "p.tif")):
        (tmp_path / name).write_text(content.format(source=source))
        for files in ((tmp_path / name, tmp_path / "p.tif"), (tmp_path / "image.tif", tmp_path / name)):
            with pytest.raises(InputError, match="gdal_translate"):
                sharpen_raster(CUES["rgb"], *files, tmp_path / "out.tif", memory="16GiB")
    assert not _Asked.asked


def test_a_header_beside_a_raster_fetches_nothing(address: str, tmp_path: Path) -> None:
    write(tmp_path / "image.tif", np.tile(IMAGE, (1, 12, 9)))
    write(tmp_path / "p.tif", np.tile(COARSE, (1, 12, 9)), 8)
    (tmp_path / "image.tif.aux.xml").write_text(
        f'<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">/vsicurl/{address}/o.tif</MDI></Metadata>'
        "</PAMDataset>"
    )
    labels = sharpened(tmp_path, CUES["rgb"], tmp_path / "image.tif", tmp_path / "p.tif", value_range="percentiles")
    assert labels.shape == (576, 576)
    assert not _Asked.asked


@pytest.mark.parametrize("which", ["image", "p"])
@pytest.mark.parametrize("how", ["itself", "symlink", "hard link"])
def test_an_input_is_not_written_over(which: str, how: str, expected: np.ndarray, tmp_path: Path) -> None:
    del expected
    given = tmp_path / f"{which}.tif"
    before, output = given.read_bytes(), given if how == "itself" else tmp_path / "link.tif"
    if how == "symlink":
        output.symlink_to(given)
    elif how == "hard link":
        output.hardlink_to(given)
    with pytest.raises(InputError, match="is also an input"):
        sharpen_raster(CUES["rgb"], tmp_path / "image.tif", tmp_path / "p.tif", output, memory="16GiB")
    assert given.read_bytes() == before


def test_another_ending_than_that_of_a_geotiff_is_refused(expected: np.ndarray, tmp_path: Path) -> None:
    del expected
    with pytest.raises(InputError, match=r"ends in \.tif"):
        sharpen_raster(CUES["rgb"], tmp_path / "image.tif", tmp_path / "p.tif", tmp_path / "out.png", memory="16GiB")


def test_what_gdal_reads_beside_an_old_result_does_not_outlive_it(expected: np.ndarray, tmp_path: Path) -> None:
    for ending in (".ovr", ".msk", ".aux.xml"):
        (tmp_path / f"out.tif{ending}").write_text("of the old one")
    assert (sharpened(tmp_path, CUES["rgb"], tmp_path / "image.tif", tmp_path / "p.tif") == expected).all()
    assert not list(tmp_path.glob("out.tif.*"))


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_killed_run_leaves_nothing_behind_that_the_next_one_keeps(tmp_path: Path) -> None:
    image = np.tile(IMAGE, (1, 12, 12))
    write(tmp_path / "image.tif", image)
    write(tmp_path / "p.tif", np.tile(COARSE, (1, 12, 12)), 8)
    (tmp_path / "out.tif").write_text("as it was")
    arguments = ["raster", "image.tif", "--predictions", "p.tif", "--output", "out.tif", "--memory", "8GiB"]
    with subprocess.Popen([*COMMAND, *arguments], cwd=tmp_path) as running:
        while running.poll() is None and not list(tmp_path.glob(".out.*")):
            time.sleep(0.01)
        assert running.poll() is None, "it was done before it could be killed"
        running.send_signal(signal.SIGKILL)
    assert (tmp_path / "out.tif").read_text() == "as it was"
    assert list(tmp_path.glob(".out.*"))
    sharpened(tmp_path, CUES["rgb"], tmp_path / "image.tif", tmp_path / "p.tif")
    assert not list(tmp_path.glob(".out.*"))


def test_one_channel_of_whole_probabilities(tmp_path: Path) -> None:
    image = write(tmp_path / "image.tif", IMAGE)
    soft = write(tmp_path / "p.tif", (PROBABILITIES[2:] * 255).astype(np.uint8), 8)
    found = sharpened(tmp_path, CUES["rgb"], image, soft, scale=255, scores="probabilities")
    assert set(np.unique(found)) == {0, 1}
