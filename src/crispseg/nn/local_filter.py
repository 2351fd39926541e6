"""The filter with its window and number of passes."""

from torch import Tensor, nn

from crispseg.checks import MOST_PASSES, check_count
from crispseg.ops import local_filter
from crispseg.window import Window, WindowLike


class LocalFilter(nn.Module):
    """Weighted average of scores over a window, applied several times (eq. 4 and 5).

    Args:
        window: The neighbours: a `Window`, its size, or its text such as "9@2"; see `Window.of`.
        passes: How many times the filter is applied.
        normalize: Divide by the sum of the weights (eq. 5).

    Raises:
        InputError: If `passes` is below 1 or above 10000.

    Example:
        >>> import torch
        >>> LocalFilter(Window(3), passes=2)(torch.ones(1, 2, 4, 4), torch.ones(1, 9, 4, 4)).unique()
        tensor([1.])
    """

    def __init__(self, window: WindowLike, *, passes: int = 1, normalize: bool = True) -> None:
        super().__init__()
        check_count("passes", passes, MOST_PASSES)
        self.window = Window.of(window)
        self.passes = passes
        self.normalize = normalize

    def forward(self, scores: Tensor, weights: Tensor) -> Tensor:
        """Return (N, C, H, W) scores filtered by (N, K, H, W) weights."""
        return local_filter(scores, weights, self.window, passes=self.passes, normalize=self.normalize)

    def extra_repr(self) -> str:
        return f"{self.window!r}, passes={self.passes}, normalize={self.normalize}"
