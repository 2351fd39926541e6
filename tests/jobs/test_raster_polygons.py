"""Polygons of label rasters: each region once, edges shared, where the raster lies, within the memory."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from rasterio.control import GroundControlPoint
from rasterio.features import rasterize
from rasterio.transform import Affine
from rasterio.warp import transform_bounds

from crispseg import InputError
from crispseg.cli.main import main
from crispseg.jobs import raster_polygons
from crispseg.jobs.raster_polygons import write_polygons
from crispseg.polygons.coverage import Regions, regions_of
from crispseg.polygons.joining import regions_in_tiles
from tests.jobs.test_raster_nodata import CUES, IMAGE, LABELS, sharpened
from tests.jobs.test_sharpen_raster import CRS_, PLACE, write

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
CORNER = (500000, 5700000 - 48 * 0.2, 500000 + 64 * 0.2, 5700000)
"""Left, bottom, right and top of the raster on the ground."""
NOISE = [
    np.kron(rng.integers(0, 4, (height, width)), np.ones((scale, scale), np.int64))
    for seed, (height, width, scale) in enumerate([(17, 20, 1), (5, 7, 3), (1, 17, 1), (9, 1, 2)])
    for rng in [np.random.default_rng(seed)]
]


def in_tiles(labels: np.ndarray, side: int, tolerance: float, held: int = 1 << 30) -> Regions:
    parts = regions_in_tiles(lambda box: labels[box.slices], labels.shape, side=side, tolerance=tolerance, held=held)
    return Regions(*(np.concatenate(part) for part in zip(*(regions for _, regions in parts), strict=True)))


def ordered(regions: Regions) -> list[Any]:
    shapes = shapely.normalize(shapely.simplify(regions.polygons, 0))
    return sorted(zip(regions.labels.tolist(), shapely.to_wkt(shapes), strict=True))


@pytest.mark.parametrize("labels", NOISE, ids=["pixels", "squares", "a row", "a column"])
def test_regions_in_tiles_are_those_of_the_whole(labels: np.ndarray) -> None:
    whole = regions_of(labels, 0)
    for side in (1, 6, 16):
        assert ordered(in_tiles(labels, side, 0)) == ordered(whole)
        simple = in_tiles(labels, side, 1)
        assert len(simple.labels) == len(whole.labels)
        assert shapely.coverage_is_valid(simple.polygons)
        everything = in_tiles(labels + 1, side, 2)
        assert shapely.coverage_is_valid(everything.polygons)
        assert shapely.union_all(everything.polygons).equals(shapely.box(0, 0, *labels.shape[::-1]))


def test_regions_that_take_too_much_memory_are_cut_along_seams() -> None:
    labels = NOISE[0] + 1
    found = in_tiles(labels, 7, 1, held=3000)
    assert len(found.labels) > len(regions_of(labels, 0).labels)
    assert shapely.coverage_is_valid(found.polygons)
    assert shapely.area(found.polygons).sum() == pytest.approx(labels.size)


@pytest.fixture
def label_raster(tmp_path: Path) -> Path:
    labels = LABELS.copy()
    labels[40:, 50:] = 9
    path = write(tmp_path / "labels.tif", labels[None], nodata=9)
    with rasterio.open(path, "r+") as dataset:
        dataset.update_tags(1, CLASS_0="Straße", CLASS_2="roof")
    return path


def test_a_geopackage_lies_where_the_raster_does(
    label_raster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raster_polygons, "_SMALLEST", 16)
    shares: list[float] = []
    write_polygons(label_raster, tmp_path / "fields.gpkg", memory="1MiB", tolerance=0, done=shares.append)
    assert shares[-1] == 1
    assert len(shares) == 3 * 4
    about, _, shapes, (classes, names) = pyogrio.raw.read(tmp_path / "fields.gpkg")
    assert about["geometry_type"] == "Polygon"
    assert about["crs"] == "EPSG:25832"
    assert pyogrio.list_layers(tmp_path / "fields.gpkg")[0, 0] == "fields"
    polygons = shapely.from_wkb(shapes)
    assert shapely.coverage_is_valid(polygons)
    assert shapely.total_bounds(polygons) == pytest.approx(CORNER)
    with rasterio.open(label_raster) as dataset:
        inside = dataset.read(1) != 9
        found = zip(polygons, classes.tolist(), strict=True)
        assert (rasterize(found, dataset.shape, fill=9, transform=dataset.transform) == dataset.read(1)).all()
    assert shapely.area(polygons).sum() == pytest.approx(0.04 * inside.sum(), rel=0.01)
    assert {*zip(classes.tolist(), names, strict=True)} == {(0, "Straße"), (1, None), (2, "roof")}


def test_nothing_is_left_of_a_failed_or_killed_run(
    label_raster: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ending in ("", "-journal"):
        (tmp_path / f".fields.4711.part.gpkg{ending}").write_text("of a killed run")

    def fail(path: Path, *_: object, **__: object) -> None:
        path.write_text("half")
        raise pyogrio.errors.DataSourceError("disk is full")

    monkeypatch.setattr(pyogrio.raw, "write", fail)
    with pytest.raises(InputError, match=r"fields\.gpkg: cannot be written \(disk is full\)"):
        write_polygons(label_raster, tmp_path / "fields.gpkg", memory="8GiB")
    assert list(tmp_path.iterdir()) == [label_raster]


def test_geojson_is_in_longitude_and_latitude(label_raster: Path, tmp_path: Path) -> None:
    write_polygons(label_raster, tmp_path / "fields.geojson", memory="8GiB")
    found = json.loads((tmp_path / "fields.geojson").read_text(encoding="utf-8"))
    polygons = [shapely.from_geojson(json.dumps(feature["geometry"])) for feature in found["features"]]
    assert shapely.total_bounds(polygons) == pytest.approx(transform_bounds(CRS_, "EPSG:4326", *CORNER), abs=1e-6)
    assert shapely.coverage_is_valid(polygons)
    assert all(polygon.exterior.is_ccw for polygon in polygons)
    assert {(each["properties"]["class"], each["properties"]["name"]) for each in found["features"]} == {
        (0, "Straße"), (1, None), (2, "roof"),
    }  # fmt: skip


def test_sharpening_writes_label_map_and_polygons_with_names(tmp_path: Path) -> None:
    image, scores = write(tmp_path / "image.tif", IMAGE), tmp_path / "p.tif"
    write(scores, (LABELS[4::8, 4::8] == np.arange(3)[:, None, None]).astype(np.float32), 8)
    with rasterio.open(scores, "r+") as dataset:
        dataset.descriptions = ("grass", "road", "roof")
    kind = {"scores": "probabilities", "polygons": tmp_path / "out.gpkg", "tolerance": 0}
    shares: list[float] = []
    labels = sharpened(tmp_path, CUES["rgb"], image, scores, done=shares.append, **kind)
    _, _, shapes, (classes, names) = pyogrio.raw.read(tmp_path / "out.gpkg")
    found = zip(shapely.from_wkb(shapes), classes.tolist(), strict=True)
    assert (rasterize(found, labels.shape, transform=PLACE) == labels).all()
    assert set(names) == {"grass", "road", "roof"}
    assert shares[-2:] == [1, 1]
    (tmp_path / "out.tif").rename(tmp_path / "labels.tif")
    for given, expected in (((), {"grass", "road", "roof"}), (("a", "b", "c"), {"a", "b", "c"})):
        sharpened(tmp_path, CUES["rgb"], image, tmp_path / "labels.tif", class_names=given, polygons=kind["polygons"])
        assert set(pyogrio.raw.read(tmp_path / "out.gpkg")[3][1]) == expected


def test_polygons_of_a_plain_photograph_are_in_pixels(tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.tif", np.eye(2, dtype=np.uint8)[None], crs=None, transform=Affine.identity())
    write_polygons(labels, tmp_path / "out.gpkg", memory="8GiB")
    about, _, shapes, _ = pyogrio.raw.read(tmp_path / "out.gpkg")
    assert not about["crs"] or "Undefined" in about["crs"]
    assert shapely.total_bounds(shapely.from_wkb(shapes)).tolist() == [0, 0, 2, 2]


@pytest.mark.parametrize("ending", [".gpkg", ".geojson"])
def test_a_raster_of_nodata_alone_has_no_polygons(ending: str, tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.tif", np.full((1, 4, 4), 9, np.uint8), nodata=9)
    write_polygons(labels, tmp_path / f"out{ending}", memory="8GiB")
    assert len(pyogrio.raw.read(tmp_path / f"out{ending}")[2]) == 0


@pytest.mark.parametrize("number", [-1, 0.5, 2**31, np.inf])
def test_numbers_that_are_no_labels_are_refused(number: float, tmp_path: Path) -> None:
    numbers = np.array([[[0, 1], [number, 2]]])
    kind = np.float32 if numbers.dtype.kind == "f" else np.int64
    labels = write(tmp_path / "labels.tif", numbers.astype(kind))
    with pytest.raises(
        InputError, match=rf"labels\.tif: holds the number {number:g}; expected labels".replace("+", r"\+")
    ):
        write_polygons(labels, tmp_path / "out.gpkg", memory="8GiB")
    labels = write(tmp_path / "labels.tif", numbers.astype(kind), nodata=number)
    write_polygons(labels, tmp_path / "out.gpkg", memory="8GiB")
    assert sorted(pyogrio.raw.read(tmp_path / "out.gpkg")[3][0]) == [0, 1, 2]


@pytest.mark.parametrize(("west", "fits"), [(-180, True), (0, False), (170, False)])
def test_geojson_holds_longitudes_up_to_180(west: float, *, fits: bool, tmp_path: Path) -> None:
    place = Affine.translation(west, 10) * Affine.scale(360 / 32 if west < 170 else 0.5, -0.5)
    labels = write(tmp_path / "labels.tif", np.arange(32, dtype=np.uint8)[None, None], crs="EPSG:4326", transform=place)
    if fits:
        write_polygons(labels, tmp_path / "out.geojson", memory="8GiB")
        return
    with pytest.raises(InputError, match="180th meridian"):
        write_polygons(labels, tmp_path / "out.geojson", memory="8GiB")


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("out.shp", {}, r"out\.shp.*\.gpkg.*\.geojson"),
        ("out.geojson", {"crs": None}, r"out\.geojson.*no reference system.*\.gpkg"),
        (
            "out.gpkg",
            {
                "transform": Affine.identity(),
                "gcps": [GroundControlPoint(row, column, column, -row, 0) for row in (0, 48) for column in (0, 64)],
            },
            "control points.*gdalwarp",
        ),
        ("image.tif", {}, r"image\.tif.*\.gpkg"),
    ],
)
def test_what_cannot_be_polygons_is_refused_before_any_work(
    name: str, options: dict[str, Any], said: str, tmp_path: Path
) -> None:
    image = write(tmp_path / "image.tif", IMAGE, **options)
    prediction = write(tmp_path / "p.tif", LABELS[None, 4::8, 4::8], 8)
    with pytest.raises(InputError, match=said):
        sharpened(tmp_path, CUES["rgb"], image, prediction, same_extent=True, polygons=tmp_path / name)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["image.tif", "p.tif"]


def test_a_missing_package_is_named_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyogrio.raw", None)
    image = write(tmp_path / "image.tif", IMAGE)
    files = ("--predictions", str(image), "--output", str(tmp_path / "l.tif"), "--polygons", str(tmp_path / "l.gpkg"))
    assert main(["raster", str(image), *files, "--cue", "rgb", "--memory", "16GiB"]) == 2
    assert "pip install 'crispseg[raster]'" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["image.tif"]
