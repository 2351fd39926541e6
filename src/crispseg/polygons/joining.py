"""Polygons of a label map that is read in tiles: the same as of the whole, joined over the seams."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crispseg.data.box import Box, cut
from crispseg.polygons.coverage import Regions, load_shapely, simplified
from crispseg.polygons.tracing import Numbers, Traced, trace

Sides = tuple[float, float, float, float]
"""Left, top, right and bottom of a tile."""

Seam = tuple[float, float, bool]
"""An edge on a seam: x and y where it begins, and whether it runs down."""

_BYTES_OF_POLYGON, _BYTES_OF_VERTEX = 600, 40
"""Memory of a polygon that waits for the rest of its region."""


def regions_in_tiles(
    read: Callable[[Box], Numbers], size: tuple[int, int], *, side: int, tolerance: float, held: int
) -> Iterator[tuple[Box, Regions]]:
    """Yield the polygons of a label map tile by tile, each when its last tile is done.

    Tiles meet in the middle of a row or column of pixels, which both of them read. A traced line crosses it only at
    vertices, and neighbours keep these, so that tiles are simplified by themselves and nevertheless fit together.

    Args:
        read: Returns the labels in a box, 0 for no region.
        size: Height and width of the label map.
        side: Height and width of the tiles.
        tolerance: How coarse the polygons may be, in pixels; see `crispseg.polygons.coverage.regions_of`.
        held: Bytes that regions may take which are not complete. If they take more, what is known of the largest is
            yielded, so that these regions become several polygons, cut along seams.

    Yields:
        The tile, and the polygons that are complete with it. A polygon lies where its region does on the label map.
    """
    joiner = _Joiner(held)
    for box in cut(size, side):
        around = Box(box.top, box.left, *(min(end + 1, all_) for end, all_ in zip(box[2:], size, strict=True)))
        sides = _sides(box, size)
        found = simplified(_clipped(trace(read(around) + 1), box, sides), tolerance)
        regions = Regions(found.labels - 1, found.polygons).where(found.labels > 1)
        yield box, joiner.add(regions, _seams(regions.polygons, sides, size))


def _clipped(traced: Traced, box: Box, sides: Sides) -> Traced:
    """Move polygons to the place of a tile, and cut them off at its sides."""
    points = np.clip(traced.points + np.array([box.left, box.top]), sides[:2], sides[2:])
    # Only the ends of lines lay beyond; each is now where the vertex before or after it is.
    ring = np.repeat(np.arange(len(traced.rings) - 1), np.diff(traced.rings))
    kept = np.append(True, (points[1:] != points[:-1]).any(1) | (ring[1:] != ring[:-1]))
    rings = np.append(0, np.bincount(ring[kept], minlength=len(traced.rings) - 1).cumsum())
    return traced._replace(points=points[kept], rings=rings)


def _seams(polygons: NDArray[Any], sides: Sides, size: tuple[int, int]) -> dict[int, list[Seam]]:
    """Return, for each polygon that goes on beyond a tile, its edges on the seams."""
    shapely = load_shapely()
    points, owner = shapely.get_coordinates(shapely.get_exterior_ring(polygons), return_index=True)
    begin, end, inside = points[:-1], points[1:], owner[1:] == owner[:-1]
    found: dict[int, list[Seam]] = {}
    for index, place in enumerate(sides):
        axis = index % 2
        if place in (0, size[1 - axis]):
            continue  # an edge of the image
        on = np.flatnonzero(inside & (begin[:, axis] == place) & (end[:, axis] == place))
        for own, (x, y) in zip(owner[on].tolist(), np.minimum(begin[on], end[on]).tolist(), strict=True):
            found.setdefault(own, []).append((x, y, axis == 0))
    return found


def _sides(box: Box, size: tuple[int, int]) -> Sides:
    """Return left, top, right and bottom of a tile: in the middle of pixels, or where the label map ends."""
    height, width = size
    left, top = (start + 0.5 if start else 0.0 for start in (box.left, box.top))
    right, bottom = (
        end + 0.5 if end < whole else float(whole) for end, whole in ((box.right, width), (box.bottom, height))
    )
    return left, top, right, bottom


@dataclass(eq=False)
class _Region:
    """A region that goes on beyond the tiles that are done."""

    label: int
    pieces: list[Any]
    bytes: int
    seams: set[Seam]
    """Edges whose other side is not read yet."""


class _Joiner:
    """Joins polygons of tiles that share edges on seams.

    Args:
        held: Bytes that regions may take which are not complete.
    """

    def __init__(self, held: int) -> None:
        self._held, self._waiting, self._open = held, dict[Seam, _Region](), set[_Region]()

    def add(self, found: Regions, seams: dict[int, list[Seam]]) -> Regions:
        """Add the polygons of a tile, some with edges on seams, and return those that are complete."""
        shapely = load_shapely()
        inside = np.ones(len(found.labels), bool)
        inside[list(seams)] = False
        costs = _BYTES_OF_POLYGON * (1 + shapely.get_num_interior_rings(found.polygons))
        costs += _BYTES_OF_VERTEX * shapely.get_num_coordinates(found.polygons)
        touched = set[_Region]()
        for index, edges in seams.items():
            region = _Region(int(found.labels[index]), [found.polygons[index]], int(costs[index]), set())
            self._open.add(region)
            touched.add(self._joined(region, edges))
        complete = [region for region in touched & self._open if not region.seams]
        self._open.difference_update(complete)
        known = [_merged(region) for region in chain(complete, self._too_many())]
        return Regions(*(np.concatenate(parts) for parts in zip(found.where(inside), *known, strict=True)))

    def _joined(self, region: _Region, edges: Sequence[Seam]) -> _Region:
        """Join a region to those that wait at its edges, and return all of them as one."""
        for edge in edges:
            other = self._waiting.pop(edge, None)
            if other is None:
                self._waiting[edge] = region
                region.seams.add(edge)
                continue
            other.seams.remove(edge)
            if other is not region:
                region, less = (other, region) if len(other.seams) >= len(region.seams) else (region, other)
                region.pieces += less.pieces
                region.bytes += less.bytes
                region.seams |= less.seams
                self._waiting.update(dict.fromkeys(less.seams, region))
                self._open.remove(less)
        return region

    def _too_many(self) -> Iterator[_Region]:
        """Yield what is known of the largest regions, if all of them take too many bytes."""
        taken = sum(region.bytes for region in self._open)
        for region in sorted(self._open, key=lambda region: -region.bytes) if taken > self._held else ():
            yield region
            taken -= region.bytes
            region.pieces, region.bytes = [], 0
            if taken <= self._held / 2:
                break


def _merged(region: _Region) -> Regions:
    """Return the polygons of what is known of a region."""
    shapely = load_shapely()
    whole = region.pieces if len(region.pieces) < 2 else [shapely.coverage_union_all(region.pieces)]
    polygons = shapely.get_parts(whole)
    return Regions(np.full(len(polygons), region.label), polygons)
