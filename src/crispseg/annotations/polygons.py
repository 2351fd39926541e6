"""Masks to polygons, in which neighbours share their edges, and back to single rings for formats without holes."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crispseg.annotations.filling import Part, Ring
from crispseg.data.box import Box
from crispseg.data.run_lengths import Mask
from crispseg.polygons.coverage import load_shapely, regions_of


def polygons_of(masks: Sequence[Mask], tolerance: float) -> list[list[Part]]:
    """Return the parts of each mask: an outline clockwise on the screen, then its holes.

    Masks may overlap. All outlines are simplified together: where two masks have the same boundary, their polygons
    have the same vertices, so that there are neither gaps nor overlaps between neighbours.

    Args:
        masks: Masks of one image, each (H, W).
        tolerance: How coarse the polygons may be, in pixels: about the square root of the largest area that the
            simplification cuts off at a vertex. 0 keeps every pixel of the masks.

    Raises:
        InputError: If Shapely is not installed.
    """
    faces, members = _faces(masks)
    found = regions_of(faces, tolerance)
    of_mask: defaultdict[int, list[Any]] = defaultdict(list)
    for label, polygon in zip(found.labels.tolist(), found.polygons, strict=True):
        for mask in members[label]:
            of_mask[mask].append(polygon)
    return [_parts(_union(of_mask[index])) for index in range(len(masks))]


def one_ring(parts: Sequence[Part]) -> Ring:
    """Return a single ring around parts and holes, which are joined by pairs of equal edges without an area.

    The ring surrounds the same pixels. Formats whose objects are a single ring without holes need it.
    """
    rings = [ring for part in parts for ring in part]
    joined, *others = sorted(rings, key=len, reverse=True)
    while others:
        # The closest ring first, so that the joining edges stay short.
        pairs = [_closest(joined, other) for other in others]
        nearest = min(range(len(others)), key=lambda index: pairs[index][0])
        _, here, there = pairs[nearest]
        other = np.roll(others.pop(nearest), -there, axis=0)
        joined = np.concatenate([joined[: here + 1], other, other[:1], joined[here:]])
    return joined


def _closest(one: Ring, other: Ring) -> tuple[float, int, int]:
    """Return the distance of the closest vertices of two rings, squared, and which they are."""
    apart = ((one[:, None] - other) ** 2).sum(-1)
    here, there = np.unravel_index(apart.argmin(), apart.shape)
    return float(apart[here, there]), int(here), int(there)


def _faces(masks: Sequence[Mask]) -> tuple[NDArray[np.int64], list[list[int]]]:
    """Return a label map of the combinations of masks that pixels lie in, and the masks of each combination."""
    keys: NDArray[np.uint64] = np.zeros(masks[0].shape if masks else (1, 1), np.uint64)
    for mask, key in zip(masks, np.random.default_rng(0).integers(1, 1 << 63, len(masks), np.uint64), strict=True):
        if mask.any():
            at = Box.around(mask).slices
            keys[at][mask[at]] ^= key  # two combinations of random numbers are practically never equal
    covered = np.flatnonzero(keys)
    _, first, inverse = np.unique(keys.ravel()[covered], return_index=True, return_inverse=True)
    labels = np.zeros(keys.shape, np.int64)
    labels.ravel()[covered] = inverse + 1
    samples = covered[first]
    where = divmod(samples, keys.shape[-1])
    held = np.stack([mask[where] for mask in masks]) if len(samples) else np.zeros((0, 0), bool)
    return labels, [[], *(np.flatnonzero(column).tolist() for column in held.T)]


def _union(polygons: Sequence[Any]) -> list[Any]:
    """Return the polygons of a mask, made of faces that share edges."""
    shapely = load_shapely()
    if len(polygons) < 2:
        return list(polygons)
    joined = shapely.coverage_union_all(polygons)
    return [part for part in shapely.get_parts(joined) if part.geom_type == "Polygon"]


def _parts(polygons: Sequence[Any]) -> list[Part]:
    shapely = load_shapely()
    oriented = [shapely.orient_polygons(polygon) for polygon in polygons]
    # Shapely's outlines run against the clock where y points up, which is clockwise on the screen.
    return [[np.array(ring.coords)[:-1] for ring in (part.exterior, *part.interiors)] for part in oriented]
