"""The embedding loss with its options."""

from typing import Literal

from torch import Tensor, nn

from crispseg.ops import embedding_loss
from crispseg.ops._embedding_loss import check_loss_options
from crispseg.window import Window, WindowLike


class EmbeddingLoss(nn.Module):
    """Pairwise hinge over a window (eq. 1 and 2).

    Args:
        window: The neighbours that a pixel is paired with; see `Window.of`.
        near: α, distance below which a pair of one label costs nothing.
        far: β, distance above which a pair of two labels costs nothing.
        norm: 1 or 2; see `crispseg.ops.local_distance`.
        stride: Step between centres.
        ignore_index: Label of pixels that belong to no pair.
        balance: "none", or "parity" to give equal and different pairs the same total weight.
        reduction: "mean" over the pairs or "sum".

    Raises:
        InputError: If an option is not as above, or not 0 <= near <= far.

    Example:
        >>> import torch
        >>> loss = EmbeddingLoss(Window(9), stride=2)
        >>> loss(torch.zeros(1, 4, 8, 8), torch.zeros(1, 8, 8, dtype=torch.long))
        tensor(0.)
    """

    def __init__(
        self,
        window: WindowLike,
        *,
        near: float = 0.5,
        far: float = 2.0,
        norm: int = 1,
        stride: int = 1,
        ignore_index: int = 255,
        balance: Literal["none", "parity"] = "none",
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        super().__init__()
        check_loss_options(near, far, norm=norm, stride=stride, balance=balance, reduction=reduction)
        self.window = Window.of(window)
        self.near = near
        self.far = far
        self.norm = norm
        self.stride = stride
        self.ignore_index = ignore_index
        self.balance = balance
        self.reduction = reduction

    def forward(self, embedding: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of an (N, D, H, W) embedding for (N, H, W) labels, a scalar."""
        return embedding_loss(
            embedding,
            labels,
            self.window,
            near=self.near,
            far=self.far,
            norm=self.norm,
            stride=self.stride,
            ignore_index=self.ignore_index,
            balance=self.balance,
            reduction=self.reduction,
        )

    def extra_repr(self) -> str:
        return (
            f"{self.window!r}, near={self.near}, far={self.far}, norm={self.norm}, stride={self.stride}, "
            f"balance={self.balance!r}, reduction={self.reduction!r}"
        )
