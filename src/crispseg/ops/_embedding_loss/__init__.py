"""The loss that trains an embedding: pixels of the same label near, of different labels far apart (eq. 1 and 2)."""

import torch
from torch import Tensor

from crispseg.checks import check_labels, check_map, check_same_grid
from crispseg.errors import InputError
from crispseg.ops._embedding_loss import registration as registration
from crispseg.ops._registration import learns
from crispseg.value_checks import check_choice, check_count
from crispseg.window import Window, WindowLike


def embedding_loss(
    embedding: Tensor,
    labels: Tensor,
    window: WindowLike,
    *,
    near: float = 0.5,
    far: float = 2.0,
    norm: int = 1,
    stride: int = 1,
    ignore_index: int = 255,
    balance: str = "none",
    reduction: str = "mean",
) -> Tensor:
    """Return the pairwise hinge loss of an embedding over a window (eq. 2).

    A pair of pixels at distance d costs max(d - near, 0) if their labels are equal, and max(far - d, 0) otherwise.
    A pixel forms no pair with itself, with a pixel outside the image or with an ignored pixel.

    Args:
        embedding: (N, D, H, W), floating point.
        labels: (N, H, W), integers of any dtype except uint64: classes or regions.
        window: The neighbours that a pixel is paired with; see `Window.of`.
        near: α, the distance below which a pair of equal labels costs nothing.
        far: β, the distance above which a pair of different labels costs nothing.
        norm: 1 or 2; see `local_distance`.
        stride: Step between centres; the paper trains with 2.
        ignore_index: The label of pixels to leave out of all pairs; it may lie outside the range of the labels' dtype.
        balance: "none" weights every pair equally (the paper); "parity" gives pairs of equal and pairs of different
            labels the same total weight, since boundaries are rare.
        reduction: "mean" over the pairs, or the plain "sum" of eq. 1.

    Returns:
        A scalar, in the dtype of `embedding` and at least float32; 0 when there is no pair.

    Raises:
        InputError: If a shape or an option is not as above, or not 0 <= near <= far.
        TypeError: If `embedding` is not floating point, or `labels` are not integers or are uint64.

    Example:
        >>> import torch
        >>> embedding = torch.tensor([[[[0.0, 1.0, 1.5]]]])
        >>> embedding_loss(embedding, torch.tensor([[[0, 0, 1]]]), Window(3))  # (|0-1| - 0.5 + 2 - |1-1.5|) / 2
        tensor(1.)
    """
    check_map("embedding", embedding)
    check_labels(labels)
    window = Window.of(window)
    check_same_grid("embedding", embedding, "labels", labels)
    check_loss_options(near, far, norm=norm, stride=stride, balance=balance, reduction=reduction)
    options = (window.size, window.dilation, near, far, norm, stride, ignore_index, balance, reduction)
    whole = labels.to(torch.int64)  # in a narrow dtype a comparison with `ignore_index` would wrap around
    loss: Tensor = torch.ops.crispseg.embedding_loss(embedding, whole, *options, learns(embedding))[0]
    return loss


def check_loss_options(near: float, far: float, *, norm: int, stride: int, balance: str, reduction: str) -> None:
    """Refuse values of options that `embedding_loss` does not allow."""
    check_choice("norm", norm, (1, 2))
    check_count("stride", stride)
    check_choice("balance", balance, ("none", "parity"))
    check_choice("reduction", reduction, ("mean", "sum"))
    if not 0 <= near <= far:
        raise InputError(f"near is {near} and far is {far}; expected 0 <= near <= far")
