"""Grids of scores on an image, for property tests."""

from hypothesis import strategies as st

from crispseg import Grid
from crispseg.grid import WORDS


def grids() -> st.SearchStrategy[Grid]:
    """Return a strategy for any grid, with numbers in quarter pixels of a small image."""
    words = st.sampled_from([Grid(word) for word in WORDS])
    strides = st.integers(1, 40).flatmap(
        lambda step: st.integers(1 - step, step - 1).map(lambda first: Grid("stride", (step / 4, first / 4)))
    )
    ends = st.tuples(st.integers(-80, 80), st.integers(2, 240)).map(lambda pair: (pair[0] / 4, sum(pair) / 4))
    boxes = st.tuples(ends, ends).map(lambda box: Grid("box", (box[0][0], box[1][0], box[0][1], box[1][1])))
    return st.one_of(words, strides, boxes)
