"""The filter with its window and number of passes."""

from torch import Tensor, nn

from crispseg.checks import MOST_ITERATIONS, check_count, check_window
from crispseg.ops import local_filter
from crispseg.window import Window


class LocalFilter(nn.Module):
    """Weighted average of scores over a window, applied several times (eq. 4 and 5).

    Args:
        window: The neighbours.
        iterations: How many times the filter is applied.
        normalize: Divide by the sum of the weights (eq. 5).

    Raises:
        InputError: If `iterations` is below 1 or above 10000.

    Example:
        >>> import torch
        >>> LocalFilter(Window(3), iterations=2)(torch.ones(1, 2, 4, 4), torch.ones(1, 9, 4, 4)).unique()
        tensor([1.])
    """

    def __init__(self, window: Window, *, iterations: int = 1, normalize: bool = True) -> None:
        super().__init__()
        check_window(window)
        check_count("iterations", iterations, MOST_ITERATIONS)
        self.window = window
        self.iterations = iterations
        self.normalize = normalize

    def forward(self, scores: Tensor, weights: Tensor) -> Tensor:
        """(N, C, H, W) scores and (N, K, H, W) weights to filtered scores."""
        return local_filter(scores, weights, self.window, iterations=self.iterations, normalize=self.normalize)

    def extra_repr(self) -> str:
        return f"{self.window}, iterations={self.iterations}, normalize={self.normalize}"
