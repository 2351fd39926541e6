"""A rectangle of pixels."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor


class Box(NamedTuple):
    """A rectangle of an image; `bottom` and `right` are exclusive.

    Example:
        >>> Box(8, 8, 16, 16).grown(10, (20, 100))
        Box(top=0, left=0, bottom=20, right=26)
    """

    top: int
    left: int
    bottom: int
    right: int

    @classmethod
    def around(cls, mask: "NDArray[np.bool_] | Tensor") -> Self:
        """Return the smallest box that holds all pixels of an (H, W) mask, which has at least one."""
        return cls.spanning(*(np.flatnonzero(mask.any(axis).tolist()) for axis in (1, 0)))

    @classmethod
    def between(cls, rows: tuple[int, int], columns: tuple[int, int]) -> Self:
        """Return the box of some rows and columns, each given by the first one and the one after the last."""
        return cls(rows[0], columns[0], rows[1], columns[1])

    @classmethod
    def spanning(cls, rows: "NDArray[np.integer] | Tensor", columns: "NDArray[np.integer] | Tensor") -> Self:
        """Return the smallest box that holds some rows and columns, each in ascending order."""
        return cls(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1)

    @classmethod
    def enclosing(cls, boxes: "Sequence[Box]") -> Self:
        """Return the smallest box that holds several."""
        tops, lefts, bottoms, rights = zip(*boxes, strict=True)
        return cls(min(tops), min(lefts), max(bottoms), max(rights))

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.bottom - self.top, self.right - self.left

    @property
    def slices(self) -> tuple[slice, slice]:
        """The slices of its rows and columns."""
        return slice(self.top, self.bottom), slice(self.left, self.right)

    def grown(self, by: int, image: tuple[int, int]) -> Self:
        """Return the box grown by `by` pixels on each side, clipped to the image (height, width)."""
        height, width = image
        return type(self)(
            max(self.top - by, 0), max(self.left - by, 0), min(self.bottom + by, height), min(self.right + by, width)
        )

    def shared(self, other: "Box") -> Self | None:
        """Return the box that is in both; None if they share no pixel.

        Example:
            >>> Box(0, 0, 4, 4).shared(Box(2, 3, 9, 9)), Box(0, 0, 4, 4).shared(Box(4, 0, 9, 9))
            (Box(top=2, left=3, bottom=4, right=4), None)
        """
        found = type(self)(*map(max, self[:2], other[:2]), *map(min, self[2:], other[2:]))
        return found if min(found.size) > 0 else None

    def starting_at(self, step: int) -> Self:
        """Return the box extended to the top and left, so that it starts at multiples of a step."""
        return type(self)(self.top // step * step, self.left // step * step, self.bottom, self.right)

    def within(self, outer: "Box") -> Self:
        """Return the same box, relative to the corner of a larger one."""
        return self._moved(-outer.top, -outer.left)

    def out_of(self, outer: "Box") -> Self:
        """Return a box that is relative to the corner of a larger one as one of the image; undoes `within`."""
        return self._moved(outer.top, outer.left)

    def _moved(self, down: int, right: int) -> Self:
        return type(self)(self.top + down, self.left + right, self.bottom + down, self.right + right)


def cut(image: tuple[int, int], side: int) -> list[Box]:
    """Return boxes of at most `side` × `side` pixels that cover an image (height, width) once, row by row.

    Example:
        >>> [box.size for box in cut((5, 4), 3)]
        [(3, 3), (3, 1), (2, 3), (2, 1)]
    """
    height, width = image
    return [
        Box(top, left, min(top + side, height), min(left + side, width))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]
