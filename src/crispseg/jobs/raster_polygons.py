"""Write the regions of a label raster as polygons, within a given memory."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from crispseg.data.box import Box
from crispseg.data.raster import opened_raster
from crispseg.data.raster.names import class_names_of
from crispseg.data.raster.opening import RasterDataset, rasterio_, read_part
from crispseg.data.raster.pixels import Missing
from crispseg.defaults import POLYGON_TOLERANCE
from crispseg.errors import InputError
from crispseg.inference.memory import parse_memory
from crispseg.polygons.coverage import Regions
from crispseg.polygons.files import GEOJSON, write_polygon_file
from crispseg.polygons.joining import regions_in_tiles
from crispseg.polygons.tracing import Numbers, Points
from crispseg.process_memory import is_counted, resident_bytes

_BYTES_PER_PIXEL = 4096
"""Memory that a tile takes where every pixel is a region of its own."""
_SMALLEST, _LARGEST = 64, 1024
_FREE = 0.7
"""The share of the remaining memory that is used: half of it for a tile, half for regions across tiles."""
_LARGEST_CLASS = 2**31 - 1
"""The largest number that the attribute `class` holds."""
_ROUNDING = 1e-6
"""Degrees by which a pixel's edge on the 180th meridian may miss it."""
_JOINING = 3
"""Joining the pieces of a region takes twice the memory of the pieces again."""


def write_polygons(
    labels: Path | str,
    output: Path | str,
    *,
    memory: str | int,
    tolerance: float = POLYGON_TOLERANCE,
    done: Callable[[float], object] = lambda share: None,
) -> None:
    """Write a polygon for each connected region of a label, with its holes and the attributes `class` and `name`.

    Neighbours share their vertices: there are neither gaps nor overlaps. Pixels of nodata are in no polygon.

    Args:
        labels: A raster whose first band holds labels, such as one that `sharpen_raster` wrote. Its tags CLASS_0,
            CLASS_1 and so on are the names.
        output: A .gpkg file, in the reference system of the raster, or a .geojson file, in longitude and latitude.
        memory: The memory that the process may use, such as "2GiB". A region whose outlines take more than about a
            tenth of it becomes several polygons.
        tolerance: How coarse the polygons may be, in pixels; 0 keeps every pixel.
        done: Called now and then with the share of the raster that is done.

    Raises:
        InputError: If a file cannot be read or written, or the raster does not say where it lies on the ground. In
            these cases nothing is written.
    """
    labels, output = Path(labels), Path(output)
    check_tolerance(tolerance)
    allowed = parse_memory(memory)
    with opened_raster(labels, "labels", allowed) as dataset:
        check_place(output, dataset, "labels")
        place = _to_degrees(dataset) if output.suffix.lower() == GEOJSON else _to_ground(dataset)
        found = _regions(dataset, allowed, tolerance, done)
        crs = dataset.crs.to_wkt() if dataset.crs else None
        write_polygon_file(output, found, place=place, crs=crs, names=class_names_of(dataset))


def check_tolerance(tolerance: float) -> None:
    """Refuse a tolerance that is not a number of pixels."""
    if not 0 <= tolerance < math.inf:
        raise InputError(f"tolerance is {tolerance}; expected a number of pixels, 0 or more")


def check_place(output: Path, dataset: RasterDataset, what: str) -> None:
    """Refuse a raster that does not say where its polygons would lie.

    Raises:
        InputError: If it is placed by control points or RPCs, or GeoJSON needs its reference system, which is unknown.
    """
    if dataset.transform.is_identity and (dataset.gcps[0] or dataset.rpcs is not None):
        raise InputError(
            f"{what} {dataset.name}: is placed on the ground by control points or RPCs; polygons need a grid: warp it "
            "first (gdalwarp)"
        )
    if output.suffix.lower() == GEOJSON and dataset.crs is None:
        raise InputError(
            f"polygons {output}: GeoJSON holds longitude and latitude, and {what} {dataset.name} has no reference "
            "system; set it (gdal_edit.py -a_srs), or write a .gpkg file"
        )


def _regions(
    dataset: RasterDataset, allowed: int, tolerance: float, done: Callable[[float], object]
) -> Iterator[Regions]:
    missing, size = Missing(dataset, [1], every=True), (dataset.height, dataset.width)

    def read(box: Box) -> Numbers:
        values = read_part(dataset, [1], box)
        there = ~missing.of(values, box)
        labels = values[0][there]
        _check_labels(dataset, labels)
        found = np.zeros(box.size, np.int64)
        found[there] = labels.astype(np.int64) + 1
        return found

    room = int(_FREE * (allowed - (resident_bytes() if is_counted() else 0))) // 2
    side = min(max(math.isqrt(max(room, 0) // _BYTES_PER_PIXEL), _SMALLEST), _LARGEST)
    for box, regions in regions_in_tiles(read, size, side=side, tolerance=tolerance, held=room // _JOINING):
        yield regions._replace(labels=regions.labels - 1)
        done(((box.bottom - 1) * dataset.width + box.right) / (dataset.width * dataset.height))


def _check_labels(dataset: RasterDataset, values: np.ndarray) -> None:
    """Refuse numbers that are not labels, such as scores: their polygons would be lost or get another class."""
    wrong = values[(values < 0) | (values > _LARGEST_CLASS) | (values != np.floor(values))]
    if wrong.size:
        raise InputError(
            f"labels {dataset.name}: holds the number {wrong[0]:g}; expected labels, whole numbers from 0 to "
            f"{_LARGEST_CLASS}: give a label map, or tag the number of nodata (gdal_edit.py -a_nodata NUMBER)"
        )


def _to_ground(dataset: RasterDataset) -> Callable[[Points], Points]:
    place = dataset.transform
    turn, start = np.array([[place.a, place.d], [place.b, place.e]]), np.array([place.c, place.f])
    return lambda points: points @ turn + start


def _to_degrees(dataset: RasterDataset) -> Callable[[Points], Points]:
    warp, on_ground, crs = rasterio_().warp, _to_ground(dataset), dataset.crs
    in_degrees = crs == "EPSG:4326"  # then it may reach around the world

    def convert(points: Points) -> Points:
        degrees = np.array(warp.transform(crs, "EPSG:4326", *on_ground(points).T)).T
        longitudes = degrees[:, 0] if len(degrees) else np.zeros(1)  # there may be nothing but nodata
        jumps = not in_degrees and np.ptp(longitudes) > 180
        if jumps or np.abs(longitudes).max() > 180 + _ROUNDING or not np.isfinite(degrees).all():
            raise InputError(
                f"labels {dataset.name}: reaches across the 180th meridian or beyond its reference system, which "
                "GeoJSON cannot hold; write a .gpkg file"
            )
        return degrees

    return convert
