"""Images and scores that are read in parts."""

from typing import Protocol, runtime_checkable

from torch import Tensor
from torch.nn.functional import pad

from crispseg.data.box import Box
from crispseg.grid import Line
from crispseg.ops.interpolation import blend, sources


class Pixels(Protocol):
    """A map of pixels, in memory or in a file."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""

    @property
    def channels(self) -> int:
        """Values of a pixel."""

    def read(self, box: Box) -> Tensor:
        """Return the (channels, *box.size) values of a part."""


@runtime_checkable
class MaskedPixels(Pixels, Protocol):
    """A map of pixels, some of which may be missing."""

    @property
    def masked(self) -> bool:
        """Whether a pixel may be missing."""

    def valid(self, box: Box) -> Tensor:
        """Return (*box.size) bool, True where a pixel has a value; elsewhere the values of `read` are undefined."""


class TensorPixels:
    """A (channels, H, W) tensor as `Pixels`."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.tensor.shape[-2], self.tensor.shape[-1]

    @property
    def channels(self) -> int:
        """Values of a pixel."""
        return self.tensor.shape[0]

    def read(self, box: Box) -> Tensor:
        """Return a view of a part."""
        rows, columns = box.slices
        return self.tensor[:, rows, columns]


class PartOfPixels(TensorPixels):
    """A part of larger `Pixels`, addressed in the coordinates of the whole.

    Args:
        tensor: (channels, *box.size), the part.
        box: Position of the part.
        size: Height and width of the whole.
    """

    def __init__(self, tensor: Tensor, box: Box, size: tuple[int, int]) -> None:
        super().__init__(tensor)
        self.box = box
        self._size = size

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the whole."""
        return self._size

    def read(self, box: Box) -> Tensor:
        """Return a view of a box that lies in the part."""
        return super().read(box.within(self.box))


def read_resized(pixels: Pixels, lines: tuple[Line, Line], box: Box) -> Tensor:
    """Return a part of `pixels` resized bilinearly, without resizing the whole.

    Args:
        pixels: Floating-point pixels; any dtype if the size does not change.
        lines: The mapping of rows and columns of the resized map to those of `pixels`.
        box: The part, in pixels of the resized map.

    Returns:
        (channels, *box.size).

    Example:
        >>> import torch
        >>> whole = torch.rand(1, 3, 5, 7)
        >>> resized = torch.nn.functional.interpolate(whole, size=(20, 30), mode="bilinear")
        >>> lines = Line.tiling(5, 20), Line.tiling(7, 30)
        >>> part = read_resized(TensorPixels(whole[0]), lines, Box(3, 11, 9, 30))
        >>> torch.testing.assert_close(part, resized[0, :, 3:9, 11:30])
    """
    if all(line.is_identity for line in lines):
        return pixels.read(box)
    rows, columns = sources(box.top, box.bottom, lines[0]), sources(box.left, box.right, lines[1])
    there = Box.between(rows.bounds, columns.bounds)
    part = pixels.read(there)
    return blend(blend(part, -2, rows.counted_from(there.top)), -1, columns.counted_from(there.left))


def padded(values: Tensor, part: Box, outer: Box) -> Tensor:
    """Return (…, *part.size) values of a part as those of a box that holds it, 0 beside the part."""
    inside, (height, width) = part.within(outer), outer.size
    return pad(values, (inside.left, width - inside.right, inside.top, height - inside.bottom))
