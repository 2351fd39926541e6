"""The filter with its windows and numbers of passes."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from crispseg.checks import is_recorded
from crispseg.errors import InputError
from crispseg.ops import local_filter
from crispseg.value_checks import MOST_PASSES, check_count
from crispseg.window import Window, Windows, WindowsLike, levels_of

_TOGETHER = 32
"""The most channels that are filtered together, so that the kernels' own copies of the scores stay small."""


class LocalFilter(nn.Module):
    """Weighted average of scores over a window, applied several times (eq. 4 and 5).

    With several windows, the filter uses one after the other, usually from coarse to fine.

    Args:
        window: The neighbours: one window or several; see `Windows.of`.
        passes: How many times the filter is applied with each window: one number, or one for each window.
        normalize: Divide by the sum of the weights (eq. 5).

    Raises:
        InputError: If a number of passes is below 1 or above 10000, or there is not one for each window.

    Example:
        >>> import torch
        >>> LocalFilter(3, passes=2)(torch.ones(1, 2, 4, 4), torch.ones(1, 9, 4, 4)).unique()
        tensor([1.])
        >>> coarse_to_fine = LocalFilter("3@2,3", passes=(4, 2))
        >>> weights = lambda window: torch.ones(1, window.count, 9, 9)
        >>> coarse_to_fine(torch.ones(1, 2, 9, 9), weights).unique()
        tensor([1.])
    """

    def __init__(self, window: WindowsLike, *, passes: int | tuple[int, ...] = 1, normalize: bool = True) -> None:
        super().__init__()
        for each in passes if isinstance(passes, tuple) else (passes,):
            check_count("passes", each, MOST_PASSES)
        self.window = Windows.of(window)
        self.passes = passes
        self.levels = levels_of(self.window, passes)
        self.normalize = normalize

    @property
    def reach(self) -> int:
        """The distance in pixels that scores travel along one axis."""
        return sum(level.reach for level in self.levels)

    def forward(self, scores: Tensor, weights: Tensor | Callable[[Window], Tensor]) -> Tensor:
        """Return filtered scores.

        Args:
            scores: (N, C, H, W).
            weights: (N, K, H, W) weights of the only window, or a function that returns those of a window. It is called
                for one window at a time, so that the weights of a single window are in memory.

        Raises:
            InputError: If there are several windows but weights of one.
        """
        if isinstance(weights, Tensor) and len(self.levels) > 1:
            raise InputError(
                f"weights are a tensor, but there are {len(self.levels)} windows ({self.window}); expected a function "
                "from a window to its weights"
            )
        given = scores
        for level in self.levels:
            window, passes = level.window, level.passes
            here = weights if isinstance(weights, Tensor) else weights(window)
            filtering = partial(local_filter, weights=here, window=window, passes=passes, normalize=self.normalize)
            if is_recorded(scores, here) or scores.shape[1] <= _TOGETHER:
                scores = filtering(scores)
                continue
            result = torch.empty_like(scores) if scores is given else scores
            for group, target in zip(torch.split(scores, _TOGETHER, 1), torch.split(result, _TOGETHER, 1), strict=True):
                target.copy_(filtering(group))
            scores = result
        return scores

    def extra_repr(self) -> str:
        return f"window={self.window}, passes={self.passes}, normalize={self.normalize}"
