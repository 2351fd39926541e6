"""The filter from coarse to fine, with weights that follow the embedding and the scores."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from crispseg.checks import MOST_PASSES, check_count, check_positive
from crispseg.errors import InputError
from crispseg.ops import affinity_weights, local_filter
from crispseg.window import Window, WindowLike

_LARGEST_LOG = math.log(1e30)


class ScoreAwareLadder(nn.Module):
    """Filter scores by several windows, one after the other; each weighs neighbours by embedding and scores.

    The weights of a window are exp(-λ·(d + μ·Σ|p_i - p_j|)), where d is the L1 distance of the embeddings and p are the
    scores as the windows before it left them. Both λ and μ are learned, as logarithms.

    Args:
        windows: The windows, from coarse to fine.
        passes: How many times each window is applied: one number for all, or one for each.
        hardness: λ where learning starts.
        score_weight: μ where learning starts.

    Raises:
        InputError: If there is no window, `passes` does not fit, or `hardness` or `score_weight` is not above 0.

    Example:
        >>> ladder = ScoreAwareLadder(["3@2", "3"], passes=2)
        >>> ladder(torch.full((1, 2, 6, 6), 0.5), torch.zeros(1, 4, 6, 6)).unique()
        tensor([0.5000], grad_fn=<Unique2Backward0>)
    """

    def __init__(
        self,
        windows: Sequence[WindowLike],
        *,
        passes: int | Sequence[int] = 4,
        hardness: float = 3.0,
        score_weight: float = 0.5,
    ) -> None:
        super().__init__()
        self.windows = [Window.of(window) for window in windows]
        if not self.windows:
            raise InputError("windows is empty; expected at least one window")
        self.passes = [passes] * len(self.windows) if isinstance(passes, int) else list(passes)
        if len(self.passes) != len(self.windows):
            raise InputError(
                f"passes has {len(self.passes)} numbers for {len(self.windows)} windows; expected one, or one for each"
            )
        for count in self.passes:
            check_count("passes", count, MOST_PASSES)
        check_positive("hardness", hardness)
        check_positive("score_weight", score_weight)
        self.log_hardness = nn.Parameter(torch.tensor(math.log(hardness)))
        self.log_score_weight = nn.Parameter(torch.tensor(math.log(score_weight)))

    @property
    def hardness(self) -> Tensor:
        """λ, a positive scalar tensor."""
        return self.log_hardness.clamp(-_LARGEST_LOG, _LARGEST_LOG).exp()

    @property
    def score_weight(self) -> Tensor:
        """μ, a positive scalar tensor."""
        return self.log_score_weight.clamp(-_LARGEST_LOG, _LARGEST_LOG).exp()

    def forward(self, scores: Tensor, embedding: Tensor) -> Tensor:
        """Return (N, C, H, W) probabilities filtered along an (N, D, H, W) embedding."""
        for window, passes in zip(self.windows, self.passes, strict=True):
            features = torch.cat([embedding, self.score_weight * scores], 1)
            weights = affinity_weights(features, window, self.hardness)
            scores = local_filter(scores, weights, window, passes=passes)
        return scores

    def extra_repr(self) -> str:
        windows = ",".join(map(str, self.windows))
        return f"{windows}, passes={self.passes}, hardness={self.hardness:.4g}, score_weight={self.score_weight:.4g}"
