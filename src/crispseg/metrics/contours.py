"""Where labels meet: the pixels on a contour, and those near one. Void has no contour."""

from typing import NamedTuple

import torch
from torch import Tensor

_CLASSES_AT_ONCE = 62
"""Classes that share a whole number of 64 bits, with the sign left alone."""


def contour(labels: Tensor, *, ignore_index: int = 255) -> Tensor:
    """Pixels with a neighbour above, below, left or right of another label; void pixels are nobody's neighbours.

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
    """Pixels that have a pixel of another label, or the outside of the image, within a square around them.

    Args:
        labels: (H, W), whole numbers.
        distance: Pixels to each side.
        ignore_index: Void label; void pixels are not in the result, and what lies near them does not count as near
            another label.

    Returns:
        (H, W) bool.

    Example:
        >>> near_other_label(torch.tensor([[0, 0, 0, 1, 1, 255]]).expand(5, 6), 1)[2].int()
        tensor([1, 0, 1, 1, 0, 0], dtype=torch.int32)
    """
    labels = labels.long()  # a narrow dtype may not hold `ignore_index`
    known = labels != ignore_index
    # Void is below every label where the highest is sought, and above every one where the lowest is.
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
    """The largest value in a square around every pixel, in steps that grow with the logarithm of its side.

    Args:
        values: (H, W) of any dtype that has an order, bool too.
        distance: Pixels to each side; what lies outside the image has no part.

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
    """The same in a line of pixels along an axis."""
    length = values.shape[axis]
    reach = min(distance, length - 1)
    border = slice_axis(values, axis, 0, 1), slice_axis(values, axis, length - 1, length)
    # A border pixel, again and again beyond the border, is in every line that reaches it.
    lines = torch.cat([*[border[0]] * reach, values, *[border[1]] * reach], axis)
    covered, wanted = 1, 2 * reach + 1
    while covered < wanted:  # lines of twice the length, the last ones overlapping
        step = min(covered, wanted - covered)
        rest = lines.shape[axis] - step
        lines = torch.maximum(slice_axis(lines, axis, 0, rest), slice_axis(lines, axis, step, step + rest))
        covered += step
    return lines


class ClassPlanes(NamedTuple):
    """For every pixel a set of classes, as bits. Only classes that occur take a bit."""

    planes: Tensor
    """(ceil(occurring classes / 62), H, W) int64."""
    bit_of: Tensor
    """(C,) int64: the bit of each class, counted through the planes; -1 for a class in no pixel's set."""

    def hold(self, labels: Tensor) -> Tensor:
        """Return (H, W) bool: whether the set of each pixel holds its class of (H, W) labels; void is in none."""
        bit = self.bit_of[labels.clamp(min=0)].where(labels >= 0, -1)
        plane = self.planes.gather(0, (bit // _CLASSES_AT_ONCE).clamp(min=0)[None])[0]
        return ((plane >> (bit % _CLASSES_AT_ONCE)) & 1).bool() & (bit >= 0)


def dilated_by_class(marked: Tensor, labels: Tensor, radius: float, num_classes: int) -> ClassPlanes:
    """Return for every pixel the classes that have a marked pixel within a disc around it.

    Args:
        marked: (H, W) bool.
        labels: (H, W) int64, the class of each marked pixel.
        radius: Of the disc in pixels; a pixel may lie exactly as far away.
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
    """The union of the bits of all pixels in a disc: row by row, each as wide as the disc is there."""
    united, row, half = torch.zeros_like(bits), bits.clone(), 0
    for step in range(int(radius), -1, -1):  # from the disc's top, where it is narrowest, to its middle
        width = int((radius**2 - step**2) ** 0.5)
        for wider in range(half + 1, width + 1):
            _unite_shifted(row, bits, 1, wider)
            _unite_shifted(row, bits, 1, -wider)
        half = width
        for sign in (1, -1)[: 2 if step else 1]:
            _unite_shifted(united, row, 0, sign * step)
    return united


def _unite_shifted(target: Tensor, source: Tensor, axis: int, step: int) -> None:
    """`target` |= `source`, moved along an axis; what leaves the image is gone."""
    length = source.shape[axis] - abs(step)
    if length > 0:
        onto = slice_axis(target, axis, max(step, 0), max(step, 0) + length)
        onto |= slice_axis(source, axis, max(-step, 0), max(-step, 0) + length)


def slice_axis(value: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """A view of `value` from `start` to `stop` along one axis."""
    return value.narrow(axis, start, max(stop - start, 0))
