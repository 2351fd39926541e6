"""Polygons of masks surround exactly their pixels, and neighbours have the same vertices."""

import numpy as np
import pytest
import shapely
from pycocotools import mask as coco

from crispseg.annotations.cleaning import overlap
from crispseg.annotations.filling import Part, fill
from crispseg.annotations.polygons import one_ring, polygons_of
from crispseg.data.run_lengths import decode, encode
from crispseg.process_memory import is_counted, resident_bytes

rng = np.random.default_rng(0)
CASES = [rng.random((rng.integers(1, 5), rng.integers(1, 9), rng.integers(1, 9))) < 0.5 for _ in range(60)]
"""Masks that overlap, with holes, and pixels that touch at corners only."""


def valid(part: Part) -> bool:
    return bool(shapely.Polygon(part[0], part[1:]).is_valid)


def test_polygons_and_single_rings_surround_the_pixels_of_the_masks() -> None:
    for masks in CASES:
        for mask, parts in zip(masks, polygons_of(list(masks), 0), strict=True):
            np.testing.assert_array_equal(fill(parts, *mask.shape), mask)
            assert all(map(valid, parts))
            if mask.any():
                np.testing.assert_array_equal(fill([[one_ring(parts)]], *mask.shape), mask)


@pytest.mark.parametrize("tolerance", [0.5, 2])
def test_simplified_neighbours_leave_no_gap_and_do_not_overlap(tolerance: float) -> None:
    waves = sum(np.sin(np.hypot(*np.ogrid[-a : 60 - a, -b : 80 - b]) / 6) for a, b in rng.integers(0, 60, (4, 2)))
    labels = np.digitize(waves, [-1, 0, 1])
    polygons = polygons_of([labels == label for label in range(4)], tolerance)
    whole = [shapely.union_all([shapely.Polygon(part[0], part[1:]) for part in parts]) for parts in polygons]
    assert shapely.coverage_is_valid(whole)
    assert shapely.union_all(whole).equals(shapely.box(0, 0, 80, 60))
    exact = polygons_of([labels == label for label in range(4)], 0)
    assert vertices(polygons) < vertices(exact) / 2
    assert all(map(valid, (part for parts in polygons for part in parts)))


def vertices(polygons: list[list[Part]]) -> int:
    return sum(len(ring) for parts in polygons for part in parts for ring in part)


def test_a_straight_edge_at_an_angle_has_no_stairs() -> None:
    rows, columns = np.mgrid[:40, :40]
    (part,) = polygons_of([columns < 10 + rows / 2], 1)[0]
    assert len(part[0]) <= 8


def test_pycocotools_reads_rings_around_holes_and_run_lengths_as_we_do() -> None:
    rows, columns = np.mgrid[:60, :80]
    mask = (np.hypot(rows - 30, columns - 40) < 25) & (np.hypot(rows - 26, columns - 44) > 9)
    assert np.array_equal(coco.decode({"size": [60, 80], "counts": encode(mask).encode()}), mask)
    np.testing.assert_array_equal(decode(encode(mask), 60, 80), mask)
    ring = one_ring(polygons_of([mask], 1)[0])
    (theirs,) = coco.decode(coco.frPyObjects([ring.ravel().tolist()], 60, 80)).transpose(2, 0, 1)
    assert overlap(theirs > 0, mask) > 0.97


def test_a_polygon_that_reaches_out_of_the_image_is_cut_at_its_edge() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        part = [rng.uniform(-20, 60, (6, 2)), rng.uniform(0, 20, (4, 2))]
        wide = fill([[ring + 30 for ring in part]], 100, 110)
        np.testing.assert_array_equal(fill([part], 40, 45), wide[30:70, 30:75])


def test_run_lengths_are_those_of_coco() -> None:
    rng = np.random.default_rng(0)
    for share in (0, 0.1, 0.9, 1):
        mask = rng.random((13, 17)) < share
        assert encode(mask) == coco.encode(np.asfortranarray(mask, np.uint8))["counts"].decode()
        np.testing.assert_array_equal(decode(encode(mask), 13, 17), mask)


@pytest.mark.skipif(not is_counted(), reason="this system does not tell the memory of a process")
def test_a_small_object_of_a_large_image_takes_little_memory() -> None:
    ring, before = np.array([[9.0, 9], [99, 9], [99, 99]]), resident_bytes()
    masks = [fill([[ring + 30 * index]], 4000, 4000) for index in range(32)]
    masks += [decode(encode(mask), 4000, 4000) for mask in masks]
    assert resident_bytes() - before < 64 * 4000**2 / 4
