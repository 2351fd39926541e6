"""Contours between labels: the pixels on a contour and the pixels near one. Void has no contour."""

from typing import NamedTuple

import torch
from torch import Tensor

_CLASSES_AT_ONCE = 62
"""Number of classes in one int64, a bit each, without the sign bit."""


def contour(labels: Tensor, *, ignore_index: int = 255) -> Tensor:
    """Return the pixels that have a 4-neighbour with another label; neither of the two may be void.

    Args:
        labels: (H, W), whole numbers.
        ignore_index: Void label.

    Returns:
        (H, W) bool.

    Example:
        >>> contour(torch.tensor([[0, 0, 1, 255, 2]])).int()
        tensor([[0, 1, 1, 0, 0]], dtype=torch.int32)
    """
    labels = labels.long()  # a narrow dtype may not hold `ignore_index`
    known = labels != ignore_index
    marked = torch.zeros_like(known)
    for axis in (0, 1):
        steps = max(labels.shape[axis] - 1, 0)
        first, second = (slice_axis(labels, axis, start, start + steps) for start in (0, 1))
        pair = (first != second) & slice_axis(known, axis, 0, steps) & slice_axis(known, axis, 1, 1 + steps)
        for start in (0, 1):
            slice_axis(marked, axis, start, start + steps).logical_or_(pair)
    return marked


def near_other_label(labels: Tensor, distance: int, *, ignore_index: int = 255) -> Tensor:
    """Return the pixels that have another label, or the outside of the image, within a square around them.

    Args:
        labels: (H, W), whole numbers.
        distance: Pixels to each side.
        ignore_index: Void label; void pixels are not in the result, and void does not count as another label.

    Returns:
        (H, W) bool.

    Example:
        >>> near_other_label(torch.tensor([[0, 0, 0, 1, 1, 255]]).expand(5, 6), 1)[2].int()
        tensor([1, 0, 1, 1, 0, 0], dtype=torch.int32)
    """
    labels = labels.long()  # a narrow dtype may not hold `ignore_index`
    known = labels != ignore_index
    # Void takes the lowest value in the search for the highest label, and the highest in the search for the lowest.
    ends = torch.iinfo(labels.dtype)
    highest = square_maximum(labels.masked_fill(~known, ends.min), distance)
    lowest = -square_maximum(-labels.masked_fill(~known, ends.max), distance)
    near = (highest != labels) | (lowest != labels)
    for axis in (0, 1):
        length, reach = labels.shape[axis], min(distance, labels.shape[axis])
        slice_axis(near, axis, 0, reach).fill_(True)  # noqa: FBT003 - PyTorch's
        slice_axis(near, axis, length - reach, length).fill_(True)  # noqa: FBT003
    return near & known


def square_maximum(values: Tensor, distance: int) -> Tensor:
    """Return the largest value in a square around every pixel, in time logarithmic in the side of the square.

    Args:
        values: (H, W) of any ordered dtype, including bool.
        distance: Pixels to each side; pixels outside the image do not count.

    Returns:
        (H, W).

    Example:
        >>> square_maximum(torch.tensor([[0, 3, 0, 0, 1]]), 1)
        tensor([[3, 3, 3, 1, 1]])
    """
    for axis in (0, 1):
        values = _line_maximum(values, distance, axis)
    return values


def _line_maximum(values: Tensor, distance: int, axis: int) -> Tensor:
    """Return the largest value in a line of pixels along an axis, around every pixel."""
    length = values.shape[axis]
    reach = min(distance, length - 1)
    border = slice_axis(values, axis, 0, 1), slice_axis(values, axis, length - 1, length)
    # Repeating the border pixel changes no maximum: every line that reaches beyond the border contains it already.
    lines = torch.cat([*[border[0]] * reach, values, *[border[1]] * reach], axis)
    covered, wanted = 1, 2 * reach + 1
    while covered < wanted:  # lines of twice the length, the last ones overlapping
        step = min(covered, wanted - covered)
        rest = lines.shape[axis] - step
        lines = torch.maximum(slice_axis(lines, axis, 0, rest), slice_axis(lines, axis, step, step + rest))
        covered += step
    return lines


class ClassPlanes(NamedTuple):
    """A set of classes for every pixel, as bits. Only classes that occur have a bit."""

    planes: Tensor
    """(ceil(occurring classes / 62), H, W) int64."""
    bit_of: Tensor
    """(C,) int64: the bit of each class, numbered through all planes; -1 for a class that is in no set."""

    def hold(self, labels: Tensor) -> Tensor:
        """Return (H, W) bool: whether the set of each pixel contains its label of (H, W) labels; void is in no set."""
        bit = self.bit_of[labels.clamp(min=0)].where(labels >= 0, -1)
        plane = self.planes.gather(0, (bit // _CLASSES_AT_ONCE).clamp(min=0)[None])[0]
        return ((plane >> (bit % _CLASSES_AT_ONCE)) & 1).bool() & (bit >= 0)


def dilated_by_class(marked: Tensor, labels: Tensor, radius: float, num_classes: int) -> ClassPlanes:
    """Return the set of classes that have a marked pixel within a disc around each pixel.

    Args:
        marked: (H, W) bool.
        labels: (H, W) int64, the class of each marked pixel.
        radius: Radius of the disc in pixels, inclusive.
        num_classes: Number of classes C.
    """
    occurring = torch.bincount(labels[marked], minlength=num_classes).nonzero()[:, 0]
    bit_of = torch.full((num_classes,), -1, device=labels.device)
    bit_of[occurring] = torch.arange(len(occurring), device=labels.device)
    bits_here = bit_of[labels.where(marked, 0)].where(marked, -1)
    planes = []
    for first in range(0, max(len(occurring), 1), _CLASSES_AT_ONCE):
        shift = bits_here - first
        here = (shift >= 0) & (shift < _CLASSES_AT_ONCE)
        bits = torch.where(here, torch.ones_like(shift) << shift.clamp(0, _CLASSES_AT_ONCE - 1), 0)
        planes.append(_disc_union(bits, radius))
    return ClassPlanes(torch.stack(planes), bit_of)


def _disc_union(bits: Tensor, radius: float) -> Tensor:
    """Return the union of the bits within a disc around every pixel, computed row of the disc by row."""
    united, row, half = torch.zeros_like(bits), bits.clone(), 0
    for step in range(int(radius), -1, -1):  # from the narrow top of the disc to its middle
        width = int((radius**2 - step**2) ** 0.5)
        for wider in range(half + 1, width + 1):
            _unite_shifted(row, bits, 1, wider)
            _unite_shifted(row, bits, 1, -wider)
        half = width
        for sign in (1, -1)[: 2 if step else 1]:
            _unite_shifted(united, row, 0, sign * step)
    return united


def _unite_shifted(target: Tensor, source: Tensor, axis: int, step: int) -> None:
    """Combine `target` in place with `source` (bitwise or), moved by `step` pixels along an axis."""
    length = source.shape[axis] - abs(step)
    if length > 0:
        onto = slice_axis(target, axis, max(step, 0), max(step, 0) + length)
        onto |= slice_axis(source, axis, max(-step, 0), max(-step, 0) + length)


def slice_axis(value: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """Return a view of `value` from `start` to `stop` along one axis."""
    return value.narrow(axis, start, max(stop - start, 0))
