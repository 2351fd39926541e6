"""Thinning of boundary probabilities to lines that are one pixel wide."""

import numpy as np
from numpy.typing import NDArray

from crispseg.extras import optional_packages

_SMOOTH, _SMOOTH_ANGLE = 1, 4
"""Radii of the triangle filters that smooth the map before the search for maxima and for the direction of lines."""
_TOLERANCE = 1.01
"""A maximum may be lower than its neighbours by this factor, so that rounding does not cut lines."""
_MARGIN = 5
"""Width in pixels of the fade-out along the border, where filters see only half of a boundary."""

# (row, column) steps, anticlockwise from east; rows count down, columns to the right.
_AROUND = ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))


def suppress_non_maxima(boundary: NDArray[np.float64]) -> NDArray[np.float64]:
    """Keep a boundary only where it is strongest across its own direction.

    The steps and constants are those of Dollár and Zitnick's structured edges (https://github.com/pdollar/edges), the
    usual post-processing of BSDS500 results: smooth, estimate the direction from second derivatives, compare with the
    values one pixel to either side, and fade out along the border.

    Args:
        boundary: (H, W) in [0, 1]; height and width at least 2.

    Returns:
        (H, W): the smoothed probability on the ridges, 0 elsewhere.
    """
    # SciPy belongs to the extra `data`; importing crispseg must not need it.
    with optional_packages():
        from scipy.ndimage import map_coordinates  # noqa: PLC0415

    smooth = _triangle_filter(boundary, _SMOOTH)
    angle = _across(smooth)
    rows, columns = np.indices(smooth.shape)
    kept = smooth
    for step in (-1, 1):
        beside = (rows + step * np.sin(angle), columns + step * np.cos(angle))
        kept = np.where(_TOLERANCE * smooth < map_coordinates(smooth, beside, order=1, mode="nearest"), 0, kept)
    height, width = smooth.shape
    return kept * _fade(height)[:, None] * _fade(width)


def thin(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Thin shapes to lines of one pixel without cutting them.

    This is algorithm A1 of Guo and Hall (1989), which the benchmark calls as MATLAB's `bwmorph(mask, "thin", Inf)`.

    Args:
        mask: (H, W) bool.

    Returns:
        (H, W) bool, a subset of `mask`.

    Example:
        >>> thin(np.ones((3, 5), dtype=bool)).astype(int).tolist()
        [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    padded = np.pad(mask, 1)
    pixels = padded.ravel()
    steps = [row * padded.shape[1] + column for row, column in _AROUND]
    removed = True
    while removed:
        removed = False
        for removable in _REMOVABLE:
            marked = np.flatnonzero(pixels)
            around = sum(pixels[marked + step].astype(np.uint8) << bit for bit, step in enumerate(steps))
            gone = marked[removable[around]]
            pixels[gone] = False
            removed = removed or gone.size > 0
    return padded[1:-1, 1:-1]


def _triangle_filter(values: NDArray[np.float64], radius: int) -> NDArray[np.float64]:
    with optional_packages():
        from scipy.ndimage import correlate1d  # noqa: PLC0415 - as above

    weights = (radius + 1 - np.abs(np.arange(-radius, radius + 1))) / (radius + 1) ** 2
    return correlate1d(correlate1d(values, weights, axis=0), weights, axis=1)


def _across(boundary: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the angle of the direction across the boundary at every pixel, in radians from columns towards rows."""
    by_row, by_column = np.gradient(_triangle_filter(boundary, _SMOOTH_ANGLE))
    twice_by_row, mixed = np.gradient(by_row)
    twice_by_column = np.gradient(by_column, axis=1)
    # The reference uses the sign of `mixed`, which is 0 on an exactly horizontal line and would keep all of its width.
    falling = np.where(mixed > 0, -1, 1)
    angle: NDArray[np.float64] = np.arctan2(falling * twice_by_row, twice_by_column + 1e-5)
    return angle


def _fade(length: int) -> NDArray[np.float64]:
    place = np.arange(length)
    return np.clip(np.minimum(place, place[::-1]) / _MARGIN, 0, 1)


def _removable() -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return whether each of the two passes of thinning removes the centre of each of the 256 neighbourhoods."""
    around = (np.arange(256)[:, None] >> np.arange(8)) & 1 == 1
    following = np.roll(around, -1, axis=1)
    straight, corner = around[:, ::2], around[:, 1::2]
    runs = (~straight & (corner | np.roll(straight, -1, axis=1))).sum(1)
    thickness = np.minimum((straight | corner).sum(1), (corner | following[:, 1::2]).sum(1))
    inside = (runs == 1) & (thickness >= 2) & (thickness <= 3)

    def side(first: int) -> NDArray[np.bool_]:
        ahead, beside, across, behind = (around[:, (first + turn) % 8] for turn in (0, 1, 2, 7))
        removable: NDArray[np.bool_] = inside & ~((beside | across | ~behind) & ahead)
        return removable

    return side(0), side(4)


_REMOVABLE = _removable()
