"""Windows: the neighbours of a pixel, their order, and the levels of a filter from coarse to fine."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import NamedTuple, Self, TypeVar

from crispseg.errors import InputError

LARGEST_SIDE = 2**20
"""The largest size and dilation of a window, which the kernels check too; no image is longer."""

_MOST = 16
"""The largest number of windows of a filter."""

T = TypeVar("T")

_TEXT = re.compile(r"([0-9]{1,7})(?:@([0-9]{1,7}))?")


@dataclass(frozen=True)
class Window:
    """A square neighbourhood N(i) around a pixel, including its centre.

    The order of neighbours is defined here alone: every tensor with a K axis follows `offsets`.

    Args:
        size: Neighbours along one side; odd, so that there is a centre. The paper uses 7, 9, 11 and 15.
        dilation: Pixels between two neighbours; 1 is a dense window.

    Raises:
        InputError: If `size` is even or below 1, `dilation` is below 1, or either is above 2^20.

    Example:
        >>> window = Window(3)
        >>> window.count, window.radius
        (9, 1)
        >>> window.offsets[:3]
        ((-1, -1), (-1, 0), (-1, 1))
        >>> Window(3, dilation=2).offsets[0]
        (-2, -2)
        >>> str(Window(3, dilation=2)), Window.of("3@2") == Window(3, dilation=2)
        ('3@2', True)
    """

    size: int
    dilation: int = 1

    def __post_init__(self) -> None:
        for name, value in (("size", self.size), ("dilation", self.dilation)):
            if isinstance(value, bool) or not isinstance(value, int):
                raise InputError(f"window {name} is {value!r}; expected a whole number")
            if value > LARGEST_SIDE:
                raise InputError(f"window {name} is {value}; expected at most {LARGEST_SIDE}")
        if self.size < 1 or self.size % 2 == 0:
            odd = max(self.size // 2 * 2 + 1, 1)
            raise InputError(f"window size is {self.size}; expected an odd number such as {odd}")
        if self.dilation < 1:
            raise InputError(f"window dilation is {self.dilation}; expected 1 or more")

    @classmethod
    def of(cls, value: "WindowLike") -> "Window":
        """Return the window that a value describes.

        Args:
            value: A `Window`; an odd size, for a window of dilation 1; or a text such as "9", or "9@2" for size 9 and
                dilation 2, as `str(window)` returns it.

        Raises:
            InputError: If it is something else, or the size or dilation is not allowed.

        Example:
            >>> Window.of(9), Window.of("9@2")
            (Window(size=9, dilation=1), Window(size=9, dilation=2))
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, Integral) and not isinstance(value, bool):
            return cls(int(value))
        numbers = _TEXT.fullmatch(value) if isinstance(value, str) else None
        if numbers is None:
            raise InputError(
                f'window is {value!r}; expected a crispseg.Window, an odd size such as 9, or a text such as "9@2" for '
                "size 9 and dilation 2"
            )
        size, dilation = numbers.groups(default="1")
        return cls(int(size), int(dilation))

    def __str__(self) -> str:
        return f"{self.size}" if self.dilation == 1 else f"{self.size}@{self.dilation}"

    @property
    def count(self) -> int:
        """K, the number of neighbours, including the centre."""
        return self.size**2

    @property
    def radius(self) -> int:
        """The distance in pixels from the centre to the farthest neighbour along one axis."""
        return self.size // 2 * self.dilation

    @property
    def centre(self) -> int:
        """The index of the centre among the offsets."""
        return self.count // 2

    @property
    def offsets(self) -> tuple[tuple[int, int], ...]:
        """The K offsets (rows, columns) in row-major order."""
        steps = range(-self.radius, self.radius + 1, self.dilation)
        return tuple((row, column) for row in steps for column in steps)


WindowLike = Window | int | str
"""Any value that `Window.of` accepts."""


class Windows(tuple[Window, ...]):
    """One window or several, which a filter uses one after the other, usually from coarse to fine.

    The last window should have dilation 1: a dilated window alone leaves a comb at boundaries.

    Example:
        >>> windows = Windows.of("5@4,5@2,5")
        >>> [window.dilation for window in windows], str(windows)
        ([4, 2, 1], '5@4,5@2,5')
        >>> Windows.of(9)
        Windows('9')
    """

    __slots__ = ()

    @classmethod
    def of(cls, value: "WindowsLike") -> Self:
        """Return the windows that a value describes.

        Args:
            value: Anything that `Window.of` accepts, or several of them: as a sequence, or as text with commas.

        Raises:
            InputError: If there is no window or more than 16, or `Window.of` does not accept one of them.
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, str):
            value = value.split(",")
        several = value if isinstance(value, Iterable) else [value]
        windows = cls(Window.of(each.strip() if isinstance(each, str) else each) for each in several)
        if not windows:
            raise InputError('window is empty; expected one window or several, such as 9 or "5@4,5@2,5"')
        if len(windows) > _MOST:
            raise InputError(f"window has {len(windows)} windows; expected at most {_MOST}")
        return windows

    def __str__(self) -> str:
        return ",".join(map(str, self))

    def __repr__(self) -> str:
        return f"Windows({str(self)!r})"


WindowsLike = Iterable[WindowLike] | WindowLike
"""Any value that `Windows.of` accepts."""


class Level(NamedTuple):
    """A window of a filter, the number of passes that the filter makes with it, and what it compares."""

    window: Window
    passes: int
    cue_weight: float = 1.0
    """φ: how much the distances of the cue count; above 0."""
    score_weight: float = 0.0
    """μ: how much differences of scores count."""

    @property
    def is_regional(self) -> bool:
        """Whether it compares scores more than the image: so pixels that look unlike may decide together."""
        return self.cue_weight < 1

    @property
    def reach(self) -> int:
        """The distance in pixels that scores travel along one axis."""
        return self.window.radius * self.passes


def levels_of(
    windows: Windows,
    passes: int | tuple[int, ...],
    cue_weight: float | tuple[float, ...] = 1.0,
    score_weight: float | tuple[float, ...] = 0.0,
) -> tuple[Level, ...]:
    """Return the levels of a filter.

    Args:
        windows: The windows, in the order of their use.
        passes: The number of passes with each window, or one number for all.
        cue_weight: φ of each window, or one for all.
        score_weight: μ of each window, or one for all.

    Raises:
        InputError: If there are several numbers of a kind, but not one for each window.

    Example:
        >>> levels = levels_of(Windows.of("5@4,5"), (6, 3))
        >>> [level.passes for level in levels], sum(level.reach for level in levels)
        ([6, 3], 54)
    """
    given = {"passes": passes, "cue_weight": cue_weight, "score_weight": score_weight}
    levels = tuple(map(Level, windows, *(_for_each(windows, name, value) for name, value in given.items())))
    weights = {level.window: level[2:] for level in levels}
    for level in levels:
        if level[2:] != weights[level.window]:
            raise InputError(f"window {level.window} is used twice with different weights; expected the same weights")
    return levels


def _for_each(windows: Windows, name: str, value: T | tuple[T, ...]) -> tuple[T, ...]:
    """Return a value for each window."""
    each = value if isinstance(value, tuple) else (value,) * len(windows)
    if len(each) != len(windows):
        given, counts = f"{len(each)} numbers ({','.join(map(str, each))})", f"{len(windows)} for window {windows}"
        raise InputError(f"{name} has {given}; expected one number, or {counts}")
    return each
