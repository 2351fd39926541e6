"""Polygons of all regions of a label map, simplified together."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from crispseg.extras import optional_packages
from crispseg.polygons.tracing import Numbers, Traced, trace


class Regions(NamedTuple):
    """Polygons that share their edges: where two are neighbours, they have the same vertices."""

    labels: Numbers
    """The label of each polygon."""
    polygons: NDArray[Any]
    """Shapely polygons, in pixels."""

    def where(self, chosen: NDArray[np.bool_]) -> "Regions":
        """Return some of the polygons."""
        return Regions(self.labels[chosen], self.polygons[chosen])


def load_shapely() -> Any:  # noqa: ANN401 - a module without types
    """Return the package Shapely, which is an extra.

    Raises:
        InputError: If it is not installed.
    """
    with optional_packages():
        import shapely  # noqa: PLC0415
    return shapely


def regions_of(labels: Numbers, tolerance: float) -> Regions:
    """Return a polygon for each connected region of a label above 0, with its holes.

    Args:
        labels: (H, W); 0 is no region.
        tolerance: How coarse the polygons may be, in pixels: about the square root of the largest area that the
            simplification cuts off at a vertex. 0 keeps every pixel.

    Raises:
        InputError: If Shapely is not installed.

    Example:
        >>> regions_of(np.array([[1, 2, 0]]), 0).polygons[0].wkt
        'POLYGON ((1 0, 1 0.5, 1 1, 0 1, 0 0, 1 0))'
    """
    found = simplified(trace(labels + 1), tolerance)  # the space between regions too, so that its edges are shared
    return Regions(found.labels - 1, found.polygons).where(found.labels > 1)


def simplified(traced: Traced, tolerance: float) -> Regions:
    """Return polygons that fill a rectangle, simplified together; the edges of the rectangle stay as they are.

    Raises:
        InputError: If Shapely is not installed.
    """
    shapely = load_shapely()
    polygons = shapely.from_ragged_array(shapely.GeometryType.POLYGON, traced.points, (traced.rings, traced.polygons))
    if tolerance:
        polygons = shapely.coverage_simplify(polygons, tolerance, simplify_boundary=False)
    return Regions(traced.labels, polygons)
