"""The band around true boundaries, where sharpening is seen (Krähenbühl & Koltun 2011)."""

from torch import Tensor

from crispseg.evaluation.contours import contour, square_maximum


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
        >>> import torch
        >>> trimap(torch.tensor([[0, 0, 0, 1, 1, 1]]), width=1).int()
        tensor([[0, 1, 1, 1, 1, 0]], dtype=torch.int32)
    """
    change = contour(labels, ignore_index=ignore_index)
    return square_maximum(change, width) & (labels != ignore_index)
