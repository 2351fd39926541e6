"""The window: the neighbours that a pixel is compared with, and their order."""

import re
from dataclasses import dataclass

from crispseg.errors import InputError

LARGEST_SIDE = 2**20
"""The largest size and dilation of a window, which the kernels check too; no image is longer."""


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
            InputError: If it is none of these, or the size or dilation is not allowed.

        Example:
            >>> Window.of(9), Window.of("9@2")
            (Window(size=9, dilation=1), Window(size=9, dilation=2))
        """
        if isinstance(value, cls):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return cls(value)
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
