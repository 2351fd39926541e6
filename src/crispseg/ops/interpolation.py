"""Where the pixels of a resized map fall in the map it is made of."""

from typing import NamedTuple

import torch
from torch import Tensor


class Axis(NamedTuple):
    """How the rows, or columns, of a part of a resized map fall on those that it is made of."""

    start: int
    """The first resized row of the part."""
    length: int
    """Rows of the map that is resized, all of it."""
    resized: int
    """Rows of the resized map, all of it."""
    first: int = 0
    """The first row of the map that is there."""


class Sources(NamedTuple):
    """The two rows, or columns, that each of some resized ones is made of."""

    before: Tensor
    """Of each: the index of the source before it."""
    behind: Tensor
    """Of each: the index of the source behind it."""
    share: Tensor
    """Of each: the share of the latter, float32."""

    @property
    def bounds(self) -> tuple[int, int]:
        """The first of all sources, and what lies behind the last."""
        return int(self.before[0]), int(self.behind[-1]) + 1

    def counted_from(self, first: int) -> "Sources":
        """The same, for a map that starts there."""
        return Sources(self.before - first, self.behind - first, self.share)


def sources(start: int, stop: int, length: int, resized: int, device: torch.device | None = None) -> Sources:
    """Sources of the resized rows from `start` to `stop`, bilinear between pixel centres.

    Args:
        start: The first resized row.
        stop: Behind the last.
        length: Rows of the map that is resized.
        resized: Rows of the resized map.
        device: Where they are worked out.

    Example:
        >>> sources(0, 4, 2, 4).share.tolist()
        [0.0, 0.25, 0.75, 0.25]
    """
    # In float32 and in this order, as PyTorch computes where a pixel falls.
    position = ((torch.arange(start, stop, device=device) + 0.5) * (length / resized) - 0.5).clamp(min=0)
    before = position.floor().long().clamp(max=length - 1)
    return Sources(before, (before + 1).clamp(max=length - 1), position - before)


def blend(value: Tensor, axis: int, where: Sources) -> Tensor:
    """Interpolate along an axis."""
    share = where.share.to(value)
    if axis == -2:
        share = share[:, None]
    before, behind = (value.index_select(axis, index.to(value.device)) for index in (where.before, where.behind))
    return before * (1 - share) + behind * share
