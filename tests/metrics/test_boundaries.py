"""The boundary benchmark against exhaustive search, against loops over pixels, and against cases worked out by hand."""

import json
import math
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from crispseg import InputError
from crispseg.evaluation import BoundaryReport
from crispseg.metrics import BoundaryCounts, count_boundaries
from crispseg.metrics.matching import match_pixels
from crispseg.metrics.thinning import suppress_non_maxima, thin

Mask = NDArray[np.bool_]


def random_mask(seed: int, share: float, shape: tuple[int, int] = (5, 6)) -> Mask:
    return np.random.default_rng(seed).random(shape) < share


def exhaustive_matching(first: Mask, second: Mask, radius: float) -> tuple[int, float]:
    """Most pairs, and the smallest sum of distances that so many have."""
    left = [tuple(place) for place in np.argwhere(first).tolist()]
    right = [tuple(place) for place in np.argwhere(second).tolist()]

    @cache
    def best(index: int, taken: int) -> tuple[int, float]:
        if index == len(left):
            return 0, 0.0
        found = best(index + 1, taken)
        for other, place in enumerate(right):
            distance = math.dist(left[index], place)
            if distance <= radius and not taken >> other & 1:
                pairs, total = best(index + 1, taken | 1 << other)
                found = max(found, (pairs + 1, total - distance))
        return found

    pairs, total = best(0, 0)
    return pairs, -total


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**16), shares=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)), radius=st.floats(0.5, 3))
def test_matching_finds_as_many_pairs_as_exhaustive_search(
    seed: int, shares: tuple[float, float], radius: float
) -> None:
    first, second = random_mask(seed, shares[0], (4, 5)), random_mask(seed + 1, shares[1], (4, 5))
    matched_first, matched_second = match_pixels(first, second, radius)
    pairs, _ = exhaustive_matching(first, second, radius)
    assert matched_first.sum() == matched_second.sum() == pairs
    assert not (matched_first & ~first).any()
    assert not (matched_second & ~second).any()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), radius=st.floats(1, 3))
def test_of_the_largest_matchings_it_is_a_shortest(seed: int, radius: float) -> None:
    first, second = random_mask(seed, 0.3, (4, 5)), random_mask(seed + 1, 0.3, (4, 5))
    matched = match_pixels(first, second, radius)
    # What was left out can be left out: the rest alone matches as well and as short.
    assert exhaustive_matching(*matched, radius) == pytest.approx(exhaustive_matching(first, second, radius))


def test_a_pixel_is_matched_up_to_the_radius() -> None:
    first, second = np.zeros((9, 9), dtype=bool), np.zeros((9, 9), dtype=bool)
    first[2, 2] = second[5, 6] = True  # 5 apart
    assert match_pixels(first, second, 5.0)[0].sum() == 1
    assert match_pixels(first, second, 4.99)[0].sum() == 0


def test_a_pixel_has_one_partner() -> None:
    first, second = np.zeros((3, 3), dtype=bool), np.ones((3, 3), dtype=bool)
    first[1, 1] = True
    matched_first, matched_second = match_pixels(first, second, 2)
    assert np.array_equal(matched_first, matched_second)  # the nearest of nine


def loop_thin(mask: Mask) -> Mask:
    """Guo & Hall's algorithm A1, pixel by pixel, from its description in the documentation of MATLAB's bwmorph."""
    mask = np.pad(mask, 1)
    while True:
        before = mask.copy()
        for turn in (0, 1):
            removed = []
            pixel = mask.astype(int).tolist()
            for r, c in np.argwhere(mask).tolist():
                east, north, west, south = pixel[r][c + 1], pixel[r - 1][c], pixel[r][c - 1], pixel[r + 1][c]
                ne, nw = pixel[r - 1][c + 1], pixel[r - 1][c - 1]
                sw, se = pixel[r + 1][c - 1], pixel[r + 1][c + 1]
                ring = [east, ne, north, nw, west, sw, south, se]
                crossings = sum(not ring[i] and (ring[i + 1] or ring[(i + 2) % 8]) for i in (0, 2, 4, 6))
                n1 = (east or ne) + (north or nw) + (west or sw) + (south or se)
                n2 = (ne or north) + (nw or west) + (sw or south) + (se or east)
                stays = (sw or south or not nw) and west if turn else (ne or north or not se) and east
                if crossings == 1 and 2 <= min(n1, n2) <= 3 and not stays:
                    removed.append((r, c))
            for place in removed:
                mask[place] = False
        if np.array_equal(before, mask):
            return mask[1:-1, 1:-1]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**16), smooth=st.integers(1, 4), share=st.floats(0.2, 0.8))
def test_thinning_equals_loops_and_keeps_pieces_together(seed: int, smooth: int, share: float) -> None:
    noise = ndimage.uniform_filter(np.random.default_rng(seed).random((14, 17)), smooth)
    mask = noise < np.quantile(noise, share)
    lines = thin(mask)
    assert np.array_equal(lines, loop_thin(mask))
    assert np.array_equal(thin(lines), lines)
    everywhere = np.ones((3, 3))
    assert ndimage.label(lines, everywhere)[1] == ndimage.label(mask, everywhere)[1]


def ridge(angle: float, size: int = 41, width: float = 2.0) -> NDArray[np.float64]:
    """A straight boundary through the middle of a map, across which the probability falls like a bell."""
    rows, columns = np.mgrid[:size, :size] - size // 2
    across = columns * math.cos(math.radians(angle)) + rows * math.sin(math.radians(angle))
    bell: NDArray[np.float64] = np.exp(-((across / width) ** 2) / 2)
    return bell


@pytest.mark.parametrize("angle", [0, 20, 45, 70, 90, 110, 135, 160])
def test_only_the_ridge_of_a_blurred_line_is_kept(angle: float) -> None:
    boundary = ridge(angle)
    inside = np.s_[6:-6, 6:-6]
    kept = suppress_non_maxima(boundary)[inside] > 0
    assert not (kept & (boundary[inside] < 0.8)).any()  # at most 1.3 pixels from the middle of the line
    assert kept.any(axis=0 if angle in range(45, 136) else 1).all()  # and without a gap
    assert thin(kept).sum() <= 1.1 * kept.shape[0]


def test_values_on_the_ridge_are_smoothed_and_fade_at_the_border() -> None:
    kept = suppress_non_maxima(ridge(0))
    column = np.exp(-((np.arange(-1, 2) / 2.0) ** 2) / 2) @ [0.25, 0.5, 0.25]
    assert kept[:, 20] == pytest.approx(column * np.minimum([*range(20), 20, *range(19, -1, -1)], 5) / 5)


def test_a_flat_map_has_no_ridge_to_be_cut() -> None:
    assert suppress_non_maxima(np.full((20, 20), 0.5))[5:-5, 5:-5] == pytest.approx(np.full((10, 10), 0.5))


def line_at(column: int, shape: tuple[int, int] = (60, 80)) -> torch.Tensor:
    line = torch.zeros(shape)
    line[:, column] = 1
    return line


# The diagonal of 60 × 80 is 100: a maximal distance of 0.03 is three pixels.
@pytest.mark.parametrize(("shift", "f"), [(0, 1.0), (1, 1.0), (3, 1.0), (4, 0.0)])
def test_a_shifted_line_counts_within_the_radius(shift: int, f: float) -> None:
    counts = count_boundaries(line_at(40 + shift), line_at(40)[None] > 0, thresholds=3, max_distance=0.03, thinned=True)
    assert counts.f.tolist() == [f] * 3
    assert counts.predicted.tolist() == counts.true.tolist() == [60] * 3


def test_a_line_of_two_pixels_counts_once() -> None:
    thick = line_at(40) + line_at(41)
    counts = count_boundaries(thick, line_at(40)[None] > 0, thresholds=1, thinned=True)
    assert counts.predicted.item() in (59, 60)  # thinning may take a pixel of an end
    assert counts.precision.item() == 1.0


def test_a_line_too_many_costs_precision_and_a_line_missed_costs_recall() -> None:
    one, two = line_at(20), line_at(20) + line_at(60)
    more = count_boundaries(two, one[None] > 0, thresholds=1, thinned=True)
    assert (more.precision.item(), more.recall.item()) == (0.5, 1.0)
    assert more.f.item() == pytest.approx(2 / 3)
    less = count_boundaries(one, two[None] > 0, thresholds=1, thinned=True)
    assert (less.precision.item(), less.recall.item()) == (1.0, 0.5)


def test_one_annotator_suffices_for_precision_and_all_count_for_recall() -> None:
    annotators = torch.stack([line_at(20), line_at(60)]) > 0
    counts = count_boundaries(line_at(20) + line_at(60), annotators, thresholds=1, thinned=True)
    assert (counts.precision.item(), counts.recall.item()) == (1.0, 1.0)
    counts = count_boundaries(line_at(20), annotators, thresholds=1, thinned=True)
    assert (counts.precision.item(), counts.recall.item()) == (1.0, 0.5)


def test_nothing_predicted_and_nothing_true_score_nothing() -> None:
    nothing, line = torch.zeros(60, 80), line_at(40)
    assert count_boundaries(nothing, line[None] > 0, thresholds=2).f.tolist() == [0, 0]
    assert count_boundaries(line, nothing[None] > 0, thresholds=2, thinned=True).f.tolist() == [0, 0]
    assert count_boundaries(nothing, nothing[None] > 0, thresholds=2).f.tolist() == [0, 0]


def test_every_threshold_sees_its_own_lines() -> None:
    boundary = 0.35 * line_at(20) + 0.65 * line_at(40) + 0.95 * line_at(60)
    counts = count_boundaries(boundary, line_at(60)[None] > 0, thresholds=9, thinned=True)
    assert counts.predicted.tolist() == [180] * 3 + [120] * 3 + [60] * 3
    assert counts.right.tolist() == counts.found.tolist() == [60] * 9


def test_a_blurred_boundary_scores_like_its_line() -> None:
    boundary = torch.from_numpy(ridge(70, 61))
    truth = torch.from_numpy(thin(ridge(70, 61) > 0.97))
    counts = count_boundaries(boundary, truth[None], thresholds=9, max_distance=0.02)
    assert counts.f[:5].min() > 0.9
    assert count_boundaries(boundary, truth[None], thresholds=9, max_distance=0.02, thinned=True).f[0] < counts.f[0]


def counts_of(*rows: tuple[int, int, int, int]) -> BoundaryCounts:
    """One (right, predicted, found, true) for each threshold."""
    return BoundaryCounts(*np.array(rows, dtype=np.int64).T)


def test_ods_takes_one_threshold_and_ois_one_for_each_image() -> None:
    first = counts_of((100, 100, 100, 100), (10, 10, 10, 100))
    second = counts_of((10, 100, 10, 100), (90, 100, 90, 100))
    report = BoundaryReport(2, {"a": first, "b": second})
    pooled = [110 / 200, 100 / 110], [110 / 200, 100 / 200]
    best = max(
        2 * p * r / (p + r)
        for p, r in (
            [(1 - t) * values[0] + t * values[1] for values in pooled] for t in (step / 100 for step in range(101))
        )
    )
    assert report.ods.f == pytest.approx(best)
    assert report.ods.threshold == pytest.approx(2 / 3)
    assert (report.ois.precision, report.ois.recall) == (0.95, 0.95)
    assert report.ois.f == pytest.approx(0.95)


def test_ods_looks_between_two_thresholds() -> None:
    report = BoundaryReport(2, {"a": counts_of((100, 500, 100, 100), (20, 20, 20, 100))})
    assert (report.ods.precision, report.ods.recall) == pytest.approx((0.6, 0.6))
    assert report.ods.threshold == pytest.approx(0.5)


def test_ap_is_the_area_under_the_curve_that_was_reached() -> None:
    # Precision falls from 1 at recall 0.2 to 0.5 at recall 0.7: a trapezium of 0.5 × 0.75.
    report = BoundaryReport(2, {"a": counts_of((70, 140, 70, 100), (20, 20, 20, 100))})
    assert report.ap == pytest.approx(0.375, abs=0.01)
    flat = counts_of((50, 50, 50, 100), (50, 50, 50, 100))
    assert BoundaryReport(2, {"a": flat}).ap == 0


def test_the_report_says_everything_as_json_and_as_a_table() -> None:
    report = BoundaryReport(2, {"a": counts_of((70, 140, 70, 100), (20, 20, 20, 100))}, {"thinned": False})
    content = json.loads(report.as_json())
    assert content["ods"]["f"] == pytest.approx(report.ods.f)
    assert content["ois"]["threshold"] is None
    assert content["curve"]["recall"] == [0.7, 0.2]
    assert (content["images"], content["settings"]) == (1, {"thinned": False})
    assert report.table().row_count == 3


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match=r"boundary map has shape \(5, 6\), annotators \(1, 6, 5\); expected \(H, W\)"):
        count_boundaries(torch.zeros(5, 6), torch.zeros(1, 6, 5) > 0)
    with pytest.raises(InputError, match=r"height and width \(1, 6\); expected 2 pixels or more"):
        count_boundaries(torch.zeros(1, 6), torch.zeros(1, 1, 6) > 0)
    with pytest.raises(InputError, match="thresholds is 0; expected a whole number of 1 or more"):
        count_boundaries(torch.zeros(5, 6), torch.zeros(1, 5, 6) > 0, thresholds=0)
    with pytest.raises(InputError, match="max_distance is 0; expected a number above 0"):
        count_boundaries(torch.zeros(5, 6), torch.zeros(1, 5, 6) > 0, max_distance=0)
