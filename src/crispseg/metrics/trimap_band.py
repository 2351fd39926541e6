"""The trimap: the band around true boundaries, where sharpening acts (Krähenbühl & Koltun 2011)."""

from torch import Tensor

from crispseg.metrics.contours import contour, square_maximum
from crispseg.metrics.void_band import void_band as band_of


def trimap(labels: Tensor, width: int = 4, *, ignore_index: int = 255, void_band: int = 0) -> Tensor:
    """Return the pixels within `width` pixels of a boundary between labels.

    Two 4-neighbours with different labels are both on the boundary. The trimap contains all pixels within a square of
    `width` pixels to each side of a boundary pixel, except void. If annotators left a band of void on the outlines, as
    in PASCAL VOC, the pixels of the band are the boundary (Kohli et al. 2009, Chen et al. 2015).

    Args:
        labels: (H, W), whole numbers.
        width: Pixels to each side.
        ignore_index: Void label.
        void_band: Widest band of void between two labels that counts as a boundary, in pixels; 0 for none, 5 for
            PASCAL VOC.

    Returns:
        (H, W) bool.

    Example:
        >>> import torch
        >>> trimap(torch.tensor([[0, 0, 0, 1, 1, 1]]), width=1).int()
        tensor([[0, 1, 1, 1, 1, 0]], dtype=torch.int32)
        >>> trimap(torch.tensor([[0, 0, 255, 255, 1, 1]]), width=1, void_band=2).int()
        tensor([[0, 1, 0, 0, 1, 0]], dtype=torch.int32)
    """
    labels = labels.long()
    void = labels == ignore_index
    change = contour(labels, ignore_index=ignore_index)
    if void_band:
        change = change | band_of(labels.masked_fill(void, -1), void_band)
    return square_maximum(change, width) & ~void
