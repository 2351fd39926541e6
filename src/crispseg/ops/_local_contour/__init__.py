"""Intervening contours: the strongest boundary between a pixel and its neighbours (im2interv, sec. 3.3)."""

import torch
from torch import Tensor

from crispseg.checks import check_map
from crispseg.errors import InputError
from crispseg.ops._local_contour import registration as registration
from crispseg.window import Window, WindowLike


def local_contour(boundary: Tensor, window: WindowLike) -> Tensor:
    """Return the largest boundary probability on the line between every pixel and each of its K neighbours.

    The line is Bresenham's: at each of max(|rows|, |columns|) equal steps the nearest pixel, halves going down and
    right, so that the line and the value are the same from both ends. It includes both ends. The value is 0 from a
    pixel to itself and infinite to a neighbour outside the image, as for `local_distance`; `affinity` turns both
    into weights. Differentiable once: the gradient goes to the largest pixel; if several are equal, to the one
    nearest the neighbour.

    Args:
        boundary: (N, 1, H, W), floating point; probabilities of a boundary, such as those of HED.
        window: The neighbours: a `Window`, its size, or its text such as "9@2"; see `Window.of`.

    Returns:
        (N, K, H, W), dtype of `boundary`. NaN on a line propagates.

    Raises:
        InputError: If `boundary` does not have one channel.
        TypeError: If `boundary` is not floating point.

    Example:
        >>> import torch
        >>> boundary = torch.tensor([[[[0.1, 0.0, 0.9, 0.2]]]])
        >>> local_contour(boundary, Window(5))[0, 10:15, 0, 1]
        tensor([   inf, 0.1000, 0.0000, 0.9000, 0.9000])
    """
    check_map("boundary", boundary)
    window = Window.of(window)
    if boundary.shape[1] != 1:
        raise InputError(f"boundary has {boundary.shape[1]} channels; expected 1, the probability of a boundary")
    contour: Tensor = torch.ops.crispseg.local_contour(boundary, window.size, window.dilation)
    return contour
