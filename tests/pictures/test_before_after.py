"""The part that the picture before/after enlarges."""

import pytest
import torch

from crispseg.pictures.before_after import most_changed


@pytest.mark.parametrize("size", [(37, 50), (3, 2), (1, 1), (64, 5)])
def test_the_part_that_changed_most_is_the_one_of_all_places(size: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    before = torch.randint(0, 3, size, generator=generator)
    after = torch.where(torch.rand(size, generator=generator) < 0.1, before + 1, before)
    top, left, height, width = most_changed(before, after)
    assert (height, width) == (max(size[0] // 4, 1), max(size[1] // 4, 1))
    counts = {
        (row, column): int((before != after)[row : row + height, column : column + width].sum())
        for row in range(size[0] - height + 1)
        for column in range(size[1] - width + 1)
    }
    assert counts[top, left] == max(counts.values())
