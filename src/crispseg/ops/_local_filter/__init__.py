"""The filter, which replaces every score by an average over the pixels that belong with it (eq. 4 and 5)."""

import torch
from torch import Tensor

from crispseg.checks import check_map, check_same_grid, check_window_axis
from crispseg.ops._local_filter import registration as registration
from crispseg.ops._registration import learns
from crispseg.value_checks import MOST_PASSES, check_count
from crispseg.window import Window, WindowLike


def local_filter(
    scores: Tensor, weights: Tensor, window: WindowLike, *, passes: int = 1, normalize: bool = True
) -> Tensor:
    """Replace every score by the weighted sum of those in its window, repeatedly with the same weights.

    Args:
        scores: (N, C, H, W), floating point, any C.
        weights: (N, K, H, W), one weight for each neighbour; 0 outside the image, as in `affinity`. Weights
            that point outside the image are ignored in any case.
        window: The neighbours, the same as for the weights; see `Window.of`.
        passes: How many times the filter is applied.
        normalize: Divide by the sum of the weights (eq. 5), so that constant scores stay constant; if False, eq. 4.

    Returns:
        Filtered scores, shape and dtype of `scores`. Half precisions accumulate in float32. A pixel whose weights sum
        to 0 becomes 0.

    Raises:
        InputError: If shapes or devices do not match, or `passes` is below 1.
        TypeError: If `scores` or `weights` are not floating point.

    Example:
        >>> import torch
        >>> scores = torch.tensor([[[[0.0, 3.0, 6.0]]]])
        >>> local_filter(scores, torch.ones(1, 9, 1, 3), Window(3))
        tensor([[[[1.5000, 3.0000, 4.5000]]]])
    """
    check_map("scores", scores)
    check_map("weights", weights)
    window = Window.of(window)
    check_window_axis("weights", weights, window)
    check_same_grid("scores", scores, "weights", weights)
    check_count("passes", passes, MOST_PASSES)
    result: Tensor = torch.ops.crispseg.local_filter(
        scores, weights, window.size, window.dilation, passes, normalize, learns(weights)
    )[0]
    return result
