"""One-to-one matching of boundary pixels that need not coincide."""

import numpy as np
from numpy.typing import NDArray

from crispseg.extras import optional_packages


def match_pixels(
    first: NDArray[np.bool_], second: NDArray[np.bool_], radius: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Match as many pixels of two maps as possible, one to one and at most `radius` pixels apart.

    Of all matchings with the most pairs, this returns one with the smallest sum of distances. The benchmark's own code
    (Martin, Fowlkes & Malik 2004) has the same goal but randomly skips some candidates, so it finds slightly fewer
    pairs.

    Args:
        first: (H, W) bool.
        second: (H, W) bool.
        radius: Largest distance of a pair in pixels, inclusive.

    Returns:
        The matched pixels of the first and of the second map, both (H, W) bool.

    Example:
        >>> line = np.array([[1, 1, 0, 0, 1]], dtype=bool)
        >>> [matched.astype(int).tolist() for matched in match_pixels(line, np.roll(line, 1), radius=1)]
        [[[1, 1, 0, 0, 0]], [[1, 1, 0, 0, 0]]]
    """
    if np.count_nonzero(first) > np.count_nonzero(second):  # fewer rows are faster
        matched_second, matched_first = match_pixels(second, first, radius)
        return matched_first, matched_second
    rows, columns = _assign(np.argwhere(first), np.argwhere(second), radius)
    return _marked(first, rows), _marked(second, columns)


def _assign(
    first: NDArray[np.intp], second: NDArray[np.intp], radius: float
) -> tuple[NDArray[np.integer], NDArray[np.integer]]:
    # SciPy belongs to the extra `data`; importing crispseg must not need it.
    with optional_packages():
        from scipy.sparse import csr_array  # noqa: PLC0415
        from scipy.sparse.csgraph import min_weight_full_bipartite_matching  # noqa: PLC0415
        from scipy.spatial import KDTree  # noqa: PLC0415

    count = len(first)
    if not count:
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)
    near = KDTree(first).sparse_distance_matrix(KDTree(second), radius, output_type="ndarray")
    # Every pixel may stay unmatched, through an extra column of its own whose cost exceeds any sum of distances. A
    # sparse matrix drops costs of 0; adding 1 to all costs avoids that and does not change the best matching.
    alone = (count + 1) * (radius + 1)
    costs = np.concatenate([near["v"] + 1, np.full(count, alone)])
    rows = np.concatenate([near["i"], np.arange(count)])
    columns = np.concatenate([near["j"], len(second) + np.arange(count)])
    graph = csr_array((costs, (rows, columns)), shape=(count, len(second) + count))
    matched, partners = min_weight_full_bipartite_matching(graph)
    paired = partners < len(second)
    return matched[paired], partners[paired]


def _marked(mask: NDArray[np.bool_], indices: NDArray[np.integer]) -> NDArray[np.bool_]:
    marked = np.zeros_like(mask)
    marked.flat[np.flatnonzero(mask)[indices]] = True
    return marked
