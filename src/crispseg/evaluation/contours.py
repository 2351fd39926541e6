"""Where labels meet: the pixels on a contour, and those near one. Void has no contour."""

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
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
        labels: (H, W), whole numbers from 0 to 2²⁴ - 1.
        distance: Pixels to each side.
        ignore_index: Void label; void pixels are not in the result, and what lies near them does not count as near
            another label.

    Returns:
        (H, W) bool.

    Example:
        >>> near_other_label(torch.tensor([[0, 0, 0, 1, 1, 255]]).expand(5, 6), 1)[2].int()
        tensor([1, 0, 1, 1, 0, 0], dtype=torch.int32)
    """
    known = labels != ignore_index
    values = labels.float()
    # Void is below every label where the highest is sought, and above every one where the lowest is.
    highest = _square_maximum(values.masked_fill(~known, -1), distance)
    lowest = -_square_maximum(-values.masked_fill(~known, 2.0**24), distance)
    near = (highest != values) | (lowest != values)
    for axis in (0, 1):
        length, reach = labels.shape[axis], min(distance, labels.shape[axis])
        slice_axis(near, axis, 0, reach).fill_(True)  # noqa: FBT003 - PyTorch's
        slice_axis(near, axis, length - reach, length).fill_(True)  # noqa: FBT003
    return near & known


def _square_maximum(values: Tensor, distance: int) -> Tensor:
    size = 2 * distance + 1
    rows = F.max_pool2d(values[None, None], (size, 1), stride=1, padding=(distance, 0))
    return F.max_pool2d(rows, (1, size), stride=1, padding=(0, distance))[0, 0]


def dilated_by_class(marked: Tensor, labels: Tensor, radius: float, classes: int) -> Tensor:
    """For every pixel the classes that have a marked pixel within a disc around it, as bits.

    Args:
        marked: (H, W) bool.
        labels: (H, W) int64, the class of each marked pixel.
        radius: Of the disc in pixels; a pixel may lie exactly as far away.
        classes: Number of classes C.

    Returns:
        (ceil(C / 62), H, W) int64: bit c % 62 of plane c // 62 stands for class c; see `has_class`.
    """
    class_of = labels.where(marked, 0)
    planes = []
    for first in range(0, classes, _CLASSES_AT_ONCE):
        here = marked & (class_of >= first) & (class_of < first + _CLASSES_AT_ONCE)
        bits = torch.where(here, torch.ones_like(class_of) << (class_of - first).clamp(0, _CLASSES_AT_ONCE - 1), 0)
        planes.append(_disc_union(bits, radius))
    return torch.stack(planes)


def has_class(planes: Tensor, labels: Tensor) -> Tensor:
    """Whether the bit of each pixel's own class is set in what `dilated_by_class` gave, (H, W) bool."""
    plane = planes.gather(0, (labels // _CLASSES_AT_ONCE).clamp(0, len(planes) - 1)[None])[0]
    return ((plane >> (labels % _CLASSES_AT_ONCE)) & 1).bool()


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
