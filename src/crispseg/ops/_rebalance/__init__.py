"""Shares of labels, less of those that are common around a pixel."""

from collections.abc import Sequence

import torch
from torch import Tensor

from crispseg.checks import is_recorded
from crispseg.errors import InputError
from crispseg.ops._rebalance import reference
from crispseg.ops._rebalance import registration as registration
from crispseg.ops.exporting import keeps_operators
from crispseg.value_checks import check_guard, check_keep_thin, check_natural


def rebalance(before: Tensor, after: Tensor, guard: float, radii: Sequence[int], *, keep_thin: float = 0) -> Tensor:
    """Return filtered shares in which labels that are common around a pixel count less.

    First, thin parts keep some of the shares that they had before the filter: pixels that lie in no diamond of 13
    pixels (two steps up, down, left and right) with one likeliest label. Pixels outside the image, or without shares
    before the filter, have any label.

    Then each share is divided by the abundance of its label to the power of `guard`, and the result is raised to the
    power 1 / (1 - guard), so that a share that equals its abundance stays as it is. The abundance is the geometric mean
    of the means over one or two squares around the pixel: a label that is rare in one of them counts as rare. Such a
    mean is of the shares before the filter and of the pixel's own share after it. The abundance counts as at least an
    eighth of the share: traces of a label that is nowhere around do not win. In the end the shares of a pixel are
    scaled to their former sum. The tensors get gradients.

    Args:
        before: (N, S, H, W) or (N, S, M, H, W) shares before the filter, floating point, at least 0. A pixel chooses
            among the S labels; M choices may be independent of each other.
        after: The shares after the filter, of the same shape.
        guard: Above 0 and up to 0.5.
        radii: How far the squares, one or two, reach from the pixel. Outside the image they count 0.
        keep_thin: How much of the shares of thin parts is that before the filter, from 0 to 1.

    Returns:
        Shares, of the shape and dtype of `after`.

    Raises:
        InputError: If shapes or devices differ, or an option is not as above.
        TypeError: If a tensor is not floating point.

    Example:
        >>> before = torch.tensor([[0.1, 0.6, 0.1], [0.9, 0.4, 0.9]]).reshape(1, 2, 1, 3)
        >>> after = torch.tensor([[0.3, 0.4, 0.3], [0.7, 0.6, 0.7]]).reshape(1, 2, 1, 3)
        >>> rebalance(before, after, 0.5, [1])[0, 0, 0]
        tensor([0.2687, 0.5091, 0.2687])
    """
    for name, value in (("before", before), ("after", after)):
        if value.ndim not in (4, 5):
            raise InputError(f"{name} has shape {tuple(value.shape)}; expected (N, S, H, W) or (N, S, M, H, W)")
        if not value.is_floating_point():
            raise TypeError(f"{name} is {value.dtype}; expected a floating-point tensor: convert it with .float()")
    if before.shape != after.shape:
        raise InputError(f"before has shape {tuple(before.shape)}, after {tuple(after.shape)}; expected the same")
    if before.device != after.device:
        raise InputError(f"before is on {before.device}, after on {after.device}; move both to the same device")
    check_guard(guard)
    check_keep_thin(keep_thin)
    if len(radii) not in {1, 2}:
        raise InputError(f"radii are {list(radii)}; expected one or two")
    for radius in radii:
        check_natural("radius", radius)
    if is_recorded(before, after) and not keeps_operators():
        return reference.rebalance(before, after, guard, radii, keep_thin)
    result: Tensor = torch.ops.crispseg.rebalance(before, after, guard, list(radii), float(keep_thin))
    return result
