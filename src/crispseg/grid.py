"""How scores lie on their image: the part of it that they cover, and the position of each score."""

import math
from dataclasses import dataclass
from typing import NamedTuple, Self

from crispseg.errors import InputError

Size = tuple[int, int]
"""Height and width, or rows and columns."""

_PARTS = 1024
"""Strides and boxes are rounded to this fraction of a pixel, so that all arithmetic is in whole numbers."""

_MOST = 2**20
"""The largest number of a grid, in pixels, as for the sides of an image."""

WORDS = ("centres", "corners", "stretched", "letterbox", "padded")
"""The kinds that take no numbers."""

_NUMBERS = {**dict.fromkeys(WORDS, (0,)), "stride": (1, 2), "box": (4,)}
"""The kinds, and the counts of numbers that each may take."""

GRIDS = f"{', '.join(WORDS)}, stride=PIXELS[,FIRST] or box=LEFT,TOP,RIGHT,BOTTOM"
"""All grids, as text for messages and help."""


class Line(NamedTuple):
    """The mapping from pixels to scores along one side of an image, in whole numbers.

    In coordinates where score j lies at j, the centre of pixel i lies at ((2·i + 1)·steps - shift) / (2·pixels).
    """

    length: int
    """The number of scores."""
    resized: int
    """The number of pixels."""
    steps: int
    """The number of scores that are as long as `pixels` pixels."""
    pixels: int
    shift: int
    """The distance from the edge of the image to the centre of the first score, in half scores times `pixels`."""

    @classmethod
    def tiling(cls, length: int, resized: int) -> Self:
        """Return the line of scores whose cells cover all pixels exactly."""
        return cls(length, resized, length, resized, resized)

    def back(self) -> Self:
        """Return the inverse mapping, from scores to pixels."""
        return type(self)(self.resized, self.length, self.pixels, self.steps, self.pixels - self.shift + self.steps)

    def centred(self) -> Self:
        """Return the same scores, centred so that the padding before and after them is equal."""
        return self._replace(shift=self.pixels + self.resized * self.steps - self.length * self.pixels)

    @property
    def is_identity(self) -> bool:
        """Whether every pixel has a score of its own."""
        return self.length == self.resized and self.steps == self.pixels == self.shift


@dataclass(frozen=True)
class Grid:
    """How scores lie on their image, which cannot be told from their sizes alone.

    Args:
        kind: - "centres": every score is the centre of a cell, and the cells cover the image. Cells are square, except
                for rounding to whole scores.
              - "corners": the outer scores lie on the centres of the image's outer pixels (`align_corners=True`). Their
                vertical and horizontal spacing is equal, except for that rounding.
              - "stride": scores lie a fixed number of pixels apart; the last lies less than a stride before or after
                the last pixel.
              - "stretched": cells of any aspect ratio cover the image, as when it was squashed for the network.
              - "letterbox": the image was scaled to fit and padded equally on two opposite sides.
              - "padded": the image was scaled to fit and padded on the right and below.
              - "box": cells cover a part of the image, or extend beyond it.
        numbers: For a stride, the pixels between two scores and the pixel of the first score (from 0; 0 by default).
            For a box, its left, top, right and bottom in pixels from the upper left corner of the image; the lower
            right corner of the image is (width, height).

    Raises:
        InputError: If the kind is unknown or the numbers do not fit it.

    Example:
        >>> Grid.of("stride=8")
        Grid(kind='stride', numbers=(8.0,))
        >>> str(Grid.of("box=10,20.5,38,48"))
        'box=10,20.5,38,48'
        >>> Grid.of("letterbox").box((60, 80), (20, 20))
        (0.0, -10.0, 80.0, 70.0)
    """

    kind: str = "centres"
    numbers: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in _NUMBERS or len(self.numbers) not in _NUMBERS[self.kind]:
            raise InputError(f"grid is {str(self)!r}; expected one of {GRIDS}")
        if not all(math.isfinite(number) and abs(number) <= _MOST for number in self.numbers):
            raise InputError(f"grid is {str(self)!r}; expected finite numbers of pixels, up to {_MOST}")
        if self.kind == "stride" and not abs(self._first) < self.numbers[0]:
            raise InputError(f"grid is {str(self)!r}; expected a stride above 0, and a first pixel less than a stride")
        if self.kind == "box" and not (self._whole[0] < self._whole[2] and self._whole[1] < self._whole[3]):
            raise InputError(f"grid is {str(self)!r}; expected left < right and top < bottom, in pixels of the image")
        if self.kind == "stride" and self._whole[0] < 1:
            raise InputError(f"grid is {str(self)!r}; expected a stride of 1/{_PARTS} pixel or more")

    @classmethod
    def of(cls, said: "str | Grid") -> "Grid":
        """Return a grid given as a `Grid` or as text, such as "corners" or "stride=8".

        Raises:
            InputError: If it is neither, or the text is not a grid.
        """
        if isinstance(said, Grid):
            return said
        if not isinstance(said, str):
            raise InputError(f"grid is {said!r}; expected a crispseg.Grid, or one of {GRIDS}")
        kind, equals, numbers = said.partition("=")
        try:
            return cls(kind, tuple(map(float, numbers.split(","))) if equals else ())
        except ValueError as error:  # our own errors are of this kind
            raise InputError(f"grid is {said!r}; expected one of {GRIDS}") from error

    def __str__(self) -> str:
        return "=".join([self.kind, ",".join(f"{number:.12g}" for number in self.numbers)]).removesuffix("=")

    @property
    def tiles(self) -> bool:
        """Whether the cells of the scores cover the image exactly, whatever its size."""
        return self.kind in ("centres", "stretched")

    @property
    def is_free(self) -> bool:
        """Whether parts of the image may have no scores."""
        return self.kind == "box"

    @property
    def may_be_padded(self) -> bool:
        """Whether cells may lie beside the image, which say nothing about it."""
        return self.kind in ("letterbox", "padded", "box")

    @property
    def _first(self) -> float:
        return self.numbers[1] if len(self.numbers) > 1 else 0.0

    @property
    def _whole(self) -> tuple[int, ...]:
        """The numbers in fractions (1 / `_PARTS`) of a pixel."""
        return tuple(round(number * _PARTS) for number in self.numbers)

    def lines(self, size: Size, scores: Size) -> tuple[Line, Line]:
        """Return the mappings of an image's rows and columns (height, width) to those of its scores (rows, columns).

        The code does not branch on sizes, so that an exported program works for all of them.

        Example:
            >>> Grid.of("corners").lines((9, 17), (2, 3))[0]
            Line(length=2, resized=9, steps=1, pixels=8, shift=1)
        """
        if self.tiles:
            return Line.tiling(scores[0], size[0]), Line.tiling(scores[1], size[1])
        if self.kind == "corners":
            return _from_corner_to_corner(scores[0], size[0]), _from_corner_to_corner(scores[1], size[1])
        if self.kind == "stride":
            step, shift = self._whole[0], 2 * round(self._first * _PARTS) + _PARTS
            return Line(scores[0], size[0], _PARTS, step, shift), Line(scores[1], size[1], _PARTS, step, shift)
        if self.kind == "box":
            left, top, right, bottom = self._whole
            return _within(top, bottom, scores[0], size[0]), _within(left, right, scores[1], size[1])
        steps, pixels = _least(scores[0] * size[1], scores[1] * size[0]), size[0] * size[1]
        rows, columns = (_fitted(steps, pixels, *sides) for sides in zip(scores, size, strict=True))
        return (rows.centred(), columns.centred()) if self.kind == "letterbox" else (rows, columns)

    def box(self, size: Size, scores: Size) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom of all cells of (rows, columns), in pixels of a (height, width) image."""
        (top, bottom), (left, right) = (_ends(line) for line in self.lines(size, scores))
        return left, top, right, bottom

    def covers(self, size: Size, scores: Size) -> bool:
        """Return whether every pixel of an image (height, width) has a score among (rows, columns)."""
        if not self.is_free:
            return True
        ends = (_ends(line) for line in self.lines(size, scores))
        return all(first <= 0.5 and last > full - 0.5 for (first, last), full in zip(ends, size, strict=True))

    def check(self, what: str, size: Size, scores: Size) -> None:
        """Refuse scores (rows, columns) that cannot lie on an image (height, width) in this way.

        Args:
            what: The name of the scores, for the message.
            size: Height and width of the image.
            scores: Rows and columns of the scores.

        Raises:
            InputError: If the aspect ratio differs, the number of scores does not match the stride, or the box lies
                outside the image.
        """
        here = f"image is {size[0]}x{size[1]} but its {what} are {scores[0]}x{scores[1]}"
        if self.kind in ("centres", "corners") and not self.explains(size, scores):
            between = " from corner to corner" if self.kind == "corners" else ""
            raise InputError(f"{here}, another aspect ratio{between}; {_choices(size, scores)}")
        if self.kind == "stride" and not self.explains(size, scores):
            expected = "x".join(map(str, self.count(size)))
            raise InputError(f"{here}; expected {expected} or one more for grid={self}, or another grid: {GRIDS}")
        if self.is_free:
            left, top, right, bottom = self.numbers
            if not (left < size[1] and right > 0 and top < size[0] and bottom > 0):
                raise InputError(
                    f"{here}, in a box outside the image (grid={self}); expected box=LEFT,TOP,RIGHT,BOTTOM in pixels "
                    "of the image"
                )

    def explains(self, size: Size, scores: Size) -> bool:
        """Return whether scores (rows, columns) fit an image (height, width), up to rounding to whole scores."""
        if self.kind == "stride":
            return all(map(self._ends_near, size, scores))
        if self.kind == "corners":
            return _is_rounded(_between(size), _between(scores))
        return self.kind != "centres" or _is_rounded(size, scores)

    def count(self, size: Size) -> Size:
        """Return the rows and columns of scores that lie within an image (height, width), for a stride.

        Example:
            >>> Grid.of("stride=8").count((360, 480))
            (45, 60)
        """
        height, width = (int((side - 1 - self._first) // self.numbers[0]) + 1 for side in size)
        return height, width

    def _ends_near(self, full: int, few: int) -> bool:
        stride = self.numbers[0]
        return abs(self._first + stride * (few - 1) - (full - 1)) < stride


CENTRES = Grid()


def _from_corner_to_corner(few: int, full: int) -> Line:
    alone = 1 - _least(few - 1, 1)  # a single score lies in the middle of the pixels
    return Line(few, full, few - 1 + alone, -_least(1 - full, -1), few - 1 + alone * full)


def _within(first: int, last: int, few: int, full: int) -> Line:
    """Return the line of cells from `first` to `last`, in fractions (1 / `_PARTS`) of a pixel."""
    return Line(few, full, few * _PARTS, last - first, 2 * first * few + last - first)


def _fitted(steps: int, pixels: int, few: int, full: int) -> Line:
    """Return the line of cells of a given size, with padding after them."""
    return Line(few, full, steps, pixels, pixels)


def _least(one: int, other: int) -> int:
    from torch import sym_min  # noqa: PLC0415 - a grid can be made without PyTorch

    least: int = sym_min(one, other)  # type: ignore[assignment]  # sizes are symbolic while a program is traced
    return least


def _ends(line: Line) -> tuple[float, float]:
    """Return where the cells begin and end, in pixels."""
    first = (line.shift - line.pixels) / (2 * line.steps)
    return first, first + line.length * line.pixels / line.steps


def _between(sides: Size) -> Size:
    return max(sides[0] - 1, 1), max(sides[1] - 1, 1)


def _is_rounded(size: Size, scores: Size) -> bool:
    """Return whether both sides, divided by the same number, differ by less than 1 from those of the scores."""
    (height, width), (rows, columns) = size, scores
    return height * (columns - 1) < width * (rows + 1) and width * (rows - 1) < height * (columns + 1)


def _choices(size: Size, scores: Size) -> str:
    """Return the grids that would fit, with the size of a score in each."""
    height, width = (full / few for full, few in zip(size, scores, strict=True))
    fitted = max(height, width)
    return (
        "expected the same, up to rounding, or a grid (--grid) that says how they lie on the upright image: "
        f'"stretched" over all of it ({width:.3g}x{height:.3g} pixels each), "letterbox" with padding on two opposite '
        f'sides, "padded" to the right and below ({fitted:.3g} pixels each), or "box=LEFT,TOP,RIGHT,BOTTOM" in pixels'
    )
