"""The band around true boundaries, where sharpening is seen (Krähenbühl & Koltun 2011)."""

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor


def trimap(labels: Tensor, width: int = 4, *, ignore_index: int = 255) -> Tensor:
    """Pixels within `width` pixels of a true change of label.

    Both pixels of two side by side (4-neighbourhood) that carry different labels are on the change; the band is
    everything within a square of `width` pixels around one of them. Void pixels make no change and are not in the band.

    Args:
        labels: (H, W), whole numbers.
        width: Pixels to each side.
        ignore_index: Void label.

    Returns:
        (H, W) bool.

    Example:
        >>> trimap(torch.tensor([[0, 0, 0, 1, 1, 1]]), width=1).int()
        tensor([[0, 1, 1, 1, 1, 0]], dtype=torch.int32)
    """
    known = labels != ignore_index
    change = torch.zeros_like(known)
    for axis in (0, 1):
        length = labels.shape[axis]
        first, second = (slice_axis(labels, axis, 0, length - 1), slice_axis(labels, axis, 1, length))
        pair = first != second
        pair &= slice_axis(known, axis, 0, length - 1) & slice_axis(known, axis, 1, length)
        slice_axis(change, axis, 0, length - 1).logical_or_(pair)
        slice_axis(change, axis, 1, length).logical_or_(pair)
    band = F.max_pool2d(change[None, None].float(), 2 * width + 1, stride=1, padding=width)[0, 0] > 0
    return band & known


def slice_axis(value: Tensor, axis: int, start: int, stop: int) -> Tensor:
    """A view of `value` from `start` to `stop` along one axis."""
    return value.narrow(axis, start, max(stop - start, 0))
