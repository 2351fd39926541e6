"""Write any number of polygons to a file: GeoPackage through pyogrio, or GeoJSON."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crispseg.errors import InputError, OutputError, one_line
from crispseg.extras import optional_packages
from crispseg.polygons.coverage import Regions, load_shapely
from crispseg.polygons.tracing import Points
from crispseg.writing import remove_left_over, written_whole

GEOPACKAGE, GEOJSON = ".gpkg", ".geojson"

_AT_ONCE = 2**18
"""Vertices that are written at a time."""
_DIGITS = 9
"""Decimals of degrees in GeoJSON: a tenth of a millimetre."""


def check_polygon_file(path: Path) -> None:
    """Refuse a name that ends in neither .gpkg nor .geojson, and check that the packages for it are installed.

    Raises:
        InputError: If the name is refused, or a package is missing.
    """
    if path.suffix.lower() not in (GEOPACKAGE, GEOJSON):
        raise InputError(
            f"polygons {path}: expected a name that ends in {GEOPACKAGE}, for a GeoPackage, or {GEOJSON}, for GeoJSON"
        )
    if path.suffix.lower() == GEOPACKAGE:
        _pyogrio()
    load_shapely()


def write_polygon_file(
    path: Path,
    found: Iterable[Regions],
    *,
    place: Callable[[Points], Points],
    crs: str | None,
    names: Mapping[int, str],
) -> None:
    """Write polygons with the attributes `class` and, where names are known, `name`; the file is whole or not there.

    Args:
        path: Ends in .gpkg or .geojson.
        found: The polygons; they need not fit into memory together.
        place: Converts (N, 2) x and y in pixels to coordinates. In GeoJSON these are longitude and latitude.
        crs: The reference system of a GeoPackage's coordinates as WKT; None if it is unknown.
        names: Names of labels.

    Raises:
        InputError: If the file cannot be written.
    """
    check_polygon_file(path)
    remove_left_over(path.absolute().parent, {path.stem})
    with written_whole(path) as temporary:
        if path.suffix.lower() == GEOJSON:
            _write_geojson(temporary, _batches(found, lambda points: place(points).round(_DIGITS)), names)
            return
        try:
            _write_geopackage(temporary, path.stem, _batches(found, place), crs, names)
        except RuntimeError as error:  # all errors of pyogrio are
            raise OutputError(f"{path}: cannot be written ({one_line(error)}); choose another place") from error


def _pyogrio() -> Any:  # noqa: ANN401 - a module without types
    with optional_packages():
        import pyogrio.raw  # noqa: PLC0415 - an extra
    return pyogrio.raw


def _batches(found: Iterable[Regions], place: Callable[[Points], Points]) -> Iterator[Regions]:
    """Yield the polygons in place, many at a time."""
    waiting, vertices = list[Regions](), 0
    for regions in found:
        waiting.append(regions)
        vertices += int(load_shapely().get_num_coordinates(regions.polygons).sum())
        if vertices > _AT_ONCE:
            yield _placed(waiting, place)
            waiting, vertices = [], 0
    if waiting:
        yield _placed(waiting, place)


def _placed(regions: list[Regions], place: Callable[[Points], Points]) -> Regions:
    shapely = load_shapely()
    labels, polygons = (np.concatenate(parts) for parts in zip(*regions, strict=True))
    return Regions(labels, shapely.orient_polygons(shapely.transform(polygons, place)))


def _write_geopackage(
    path: Path, layer: str, batches: Iterable[Regions], crs: str | None, names: Mapping[int, str]
) -> None:
    pyogrio, shapely, append = _pyogrio(), load_shapely(), False
    for labels, polygons in batches:
        fields: dict[str, NDArray[Any]] = {"class": labels.astype(np.int32)}
        if names:
            fields["name"] = np.array([names.get(label) for label in labels.tolist()], object)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "'crs' was not provided", UserWarning)  # a plain photograph has none
            pyogrio.write(
                path, shapely.to_wkb(polygons), list(fields.values()), list(fields), layer=layer, driver="GPKG",
                geometry_type="Polygon", crs=crs, append=append,
            )  # fmt: skip
        append = True


def _write_geojson(path: Path, batches: Iterable[Regions], names: Mapping[int, str]) -> None:
    shapely, comma = load_shapely(), ""
    with path.open("w", encoding="utf-8") as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for labels, polygons in batches:
            for label, geometry in zip(labels.tolist(), shapely.to_geojson(polygons), strict=True):
                said = {"class": label} | ({"name": names.get(label)} if names else {})
                properties = json.dumps(said, ensure_ascii=False)
                file.write(f'{comma}\n{{"type": "Feature", "properties": {properties}, "geometry": {geometry}}}')
                comma = ","
        file.write("\n]}\n")
