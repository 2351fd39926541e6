"""Comparison of each pixel's label with its neighbours' (im2parity in the paper, sec. 4.2)."""

import torch
from torch import Tensor

from crispseg.checks import check_labels
from crispseg.ops._local_parity import registration as registration
from crispseg.value_checks import check_count
from crispseg.window import Window, WindowLike


def local_parity(
    labels: Tensor, window: WindowLike, *, stride: int = 1, ignore_index: int = 255
) -> tuple[Tensor, Tensor]:
    """Compare the label of every centre with those of its K neighbours.

    Args:
        labels: (N, H, W), integers of any dtype except uint64: classes or regions.
        window: The neighbours: a `Window`, its size, or its text such as "9@2"; see `Window.of`.
        stride: Step between centres.
        ignore_index: The label of pixels to leave out of all pairs; it may lie outside the range of the labels' dtype.

    Returns:
        Two bool tensors (N, K, ceil(H / stride), ceil(W / stride)): where the two labels are equal, and where the two
        pixels form a pair. A pixel forms no pair with itself, with a pixel outside the image or with an ignored
        pixel; parity is False there.

    Raises:
        InputError: If the shape or `stride` is not as above.
        TypeError: If `labels` are not integers, or are uint64.

    Example:
        >>> import torch
        >>> parity, valid = local_parity(torch.tensor([[[7, 7, 255]]]), Window(3))
        >>> parity[0, 5, 0].tolist(), valid[0, 5, 0].tolist()
        ([True, False, False], [True, False, False])
    """
    check_labels(labels)
    check_count("stride", stride)
    window = Window.of(window)
    whole = labels.to(torch.int64)  # in a narrow dtype a comparison with `ignore_index` would wrap around
    parity, valid = torch.ops.crispseg.local_parity(whole, window.size, window.dilation, stride, ignore_index)
    return parity, valid
