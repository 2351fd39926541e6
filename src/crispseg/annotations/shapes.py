"""The forms in which files give the mask of an object."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crispseg.annotations.filling import Mask, Part, blank, fill, pasted
from crispseg.data.box import Box
from crispseg.data.run_lengths import read_runs
from crispseg.errors import InputError
from crispseg.extras import optional_packages

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


def _expanded(counts: str | Sequence[int], pixels: int) -> Mask:
    """Return the pixels of runs, which are in turn outside and inside.

    Raises:
        InputError: If they are not as many.
    """
    ends = np.cumsum(read_runs(counts, pixels))
    pixels_of = blank((1, pixels)).ravel()
    for begin, end in zip(ends[:-1:2].tolist(), ends[1::2].tolist(), strict=False):
        pixels_of[begin:end] = True  # the rest gets no memory; see `blank`
    return pixels_of


def expanded_rows(counts: Sequence[int], height: int, width: int) -> Mask:
    """Return the (height, width) mask of run lengths in rows."""
    return _expanded(counts, height * width).reshape(height, width)


def runs(pixels: Mask) -> list[int]:
    """Return the lengths of the runs of a flat mask, which are in turn outside and inside.

    Example:
        >>> runs(np.array([True, True, False]))
        [0, 2, 1]
    """
    changes = np.flatnonzero(np.diff(pixels)) + 1
    lengths = np.diff(np.concatenate([[0], changes, [pixels.size]])).tolist()
    return [0, *lengths] if pixels.size and pixels[0] else lengths


def runs_in_columns(mask: Mask) -> list[int]:
    """Return the lengths of the runs of a mask in columns, as COCO counts them.

    Example:
        >>> runs_in_columns(np.array([[False, True], [True, True]]))
        [1, 3]
    """
    if not mask.any():
        return [mask.size]
    box = Box.around(mask)
    columns, rows = np.nonzero(mask[box.slices].T)
    places = (columns + box.left) * mask.shape[0] + rows + box.top
    breaks = np.flatnonzero(np.diff(places) != 1)
    begins, ends = np.append(places[0], places[breaks + 1]), np.append(places[breaks], places[-1]) + 1
    lengths: list[int] = np.diff(np.stack([begins, ends], 1).ravel(), prepend=0, append=mask.size).tolist()
    return lengths if lengths[-1] else lengths[:-1]


def decode(counts: str | Sequence[int], height: int, width: int) -> Mask:
    """Return the mask of COCO's run lengths, compressed or not.

    Raises:
        InputError: If they cannot be decoded, or are of another size.
    """
    return _expanded(counts, height * width).reshape(width, height).T


def encode(mask: Mask) -> str:
    """Return a mask as COCO's compressed run lengths."""
    with optional_packages():
        from pycocotools import mask as coco  # noqa: PLC0415
    encoded = coco.frPyObjects({"size": list(mask.shape), "counts": runs_in_columns(mask)}, *mask.shape)
    return str(encoded["counts"], "ascii")
