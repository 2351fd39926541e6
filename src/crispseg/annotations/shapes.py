"""The forms in which files give the mask of an object."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crispseg.annotations.filling import Part, fill, pasted
from crispseg.data.box import Box
from crispseg.data.run_lengths import Mask, decode
from crispseg.errors import InputError

Form = Literal["polygons", "rle"]
"""How a file may give the mask of an object: its outline, or its pixels."""


class Shape(ABC):
    """The mask of an object as a file gives it."""

    @abstractmethod
    def mask(self, height: int, width: int) -> Mask:
        """Return the mask on an image of that size.

        Raises:
            InputError: If it is not of an image of that size.
        """


@dataclass(frozen=True, eq=False)
class Polygons(Shape):
    """Polygons, in pixels or, if they are `relative`, in shares of the width and height."""

    parts: Sequence[Part]
    relative: bool = False

    def mask(self, height: int, width: int) -> Mask:
        """Return the mask of the pixels whose centres lie inside."""
        return fill(self.on(height, width), height, width)

    def on(self, height: int, width: int) -> list[Part]:
        """Return the parts in pixels of an image of that size."""
        scale = np.array([width, height] if self.relative else [1, 1])
        return [[ring * scale for ring in part] for part in self.parts]


@dataclass(frozen=True, eq=False)
class RunLengths(Shape):
    """Run lengths in columns, as COCO has them, compressed or not."""

    encoded: Mapping[str, Any]
    """`size` and `counts`."""

    def mask(self, height: int, width: int) -> Mask:
        """Return the decoded mask."""
        size = [int(side) for side in self.encoded["size"]]
        if size != [height, width]:
            raise InputError(f"its RLE is of {size[0]}×{size[1]} pixels, the image of {height}×{width}")
        return decode(self.encoded["counts"], height, width)


@dataclass(frozen=True, eq=False)
class Pasted(Shape):
    """A small mask at a place of the image."""

    pixels: Mask
    top: int
    left: int

    def mask(self, height: int, width: int) -> Mask:
        """Return the mask of the whole image."""
        bottom, right = self.top + self.pixels.shape[0], self.left + self.pixels.shape[1]
        if min(self.top, self.left) < 0 or bottom > height or right > width:
            raise InputError(f"its mask reaches to {bottom}×{right} pixels, the image to {height}×{width}")
        return pasted(self.pixels, Box(self.top, self.left, bottom, right), (height, width))


@dataclass(frozen=True, eq=False)
class Region(Shape):
    """The pixels of a label map with one number."""

    labels: NDArray[np.uint8]
    number: int

    def mask(self, height: int, width: int) -> Mask:
        """Return the mask of the number."""
        if self.labels.shape != (height, width):
            rows, columns = self.labels.shape
            raise InputError(f"its label map is of {rows}×{columns} pixels, the image of {height}×{width}")
        found: Mask = self.labels == self.number
        box = Box.around(found)
        return pasted(found[box.slices], box, (height, width))
