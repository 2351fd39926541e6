"""Weights from an embedding, with a hardness and a score weight that may be learned."""

import math

import torch
from torch import Tensor, nn

from crispseg.errors import InputError
from crispseg.nn.exact_numbers import ExactNumbers
from crispseg.ops import affinity_weights
from crispseg.value_checks import check_choice, check_not_negative, check_positive
from crispseg.window import Window, Windows, WindowsLike

_LARGEST_LOG = math.log(1e30)


class Affinity(ExactNumbers):
    """Weights exp(-hardness · distance) of an embedding over a window (eq. 3).

    With a score weight μ, differences of scores add to the distance: exp(-hardness · (distance + μ·|p_i - p_j|)). What
    is learned is kept as its logarithm, so that it stays positive whatever the optimiser does.

    Args:
        window: The neighbours: one window or several; see `Windows.of`.
        hardness: λ, or where learning starts.
        learned: Whether the hardness, and a score weight above 0, are parameters (paper sec. 3.2).
        norm: 1 or 2; see `crispseg.ops.local_distance`.
        score_weight: μ, or where learning starts; 0 compares the embedding alone.

    Raises:
        InputError: If `hardness` is not a finite number above 0, `norm` is not 1 or 2, or `score_weight` is below 0.

    Example:
        >>> module = Affinity(Window(3), hardness=5.0, learned=True)
        >>> module(torch.zeros(1, 4, 6, 6)).shape
        torch.Size([1, 9, 6, 6])
        >>> round(module.hardness.item(), 4)
        5.0
    """

    log_hardness: Tensor
    log_score_weight: Tensor | None

    def __init__(
        self,
        window: WindowsLike,
        hardness: float,
        *,
        learned: bool = False,
        norm: int = 1,
        score_weight: float = 0.0,
    ) -> None:
        super().__init__()
        check_positive("hardness", hardness)
        check_choice("norm", norm, (1, 2))
        check_not_negative("score_weight", score_weight)
        self.window = Windows.of(window)
        self.norm = norm
        self._keep("log_hardness", torch.tensor(math.log(hardness)), learned)
        self._keep("log_score_weight", torch.tensor(math.log(score_weight)) if score_weight else None, learned)

    def _keep(self, name: str, value: Tensor | None, learned: bool) -> None:
        if learned and value is not None:
            self.register_parameter(name, nn.Parameter(value))
        else:
            self.register_buffer(name, value)

    @property
    def learned(self) -> bool:
        """Whether the hardness is a parameter."""
        return isinstance(self.log_hardness, nn.Parameter)

    @property
    def hardness(self) -> Tensor:
        """λ, a positive scalar tensor."""
        return _exp(self.log_hardness)

    @property
    def score_weight(self) -> Tensor | float:
        """μ: a positive scalar tensor, or 0."""
        return 0.0 if self.log_score_weight is None else _exp(self.log_score_weight)

    def forward(self, embedding: Tensor, window: Window | None = None, *, scores: Tensor | None = None) -> Tensor:
        """Return the weights of an embedding.

        Args:
            embedding: (N, D, H, W).
            window: One of the windows; the only one by default.
            scores: (N, C, H, W), whose differences are weighted by the score weight.

        Returns:
            (N, K, H, W) weights.

        Raises:
            InputError: If there are several windows and none is given, or a score weight but no scores.
        """
        if window is None:
            if len(self.window) > 1:
                raise InputError(f"the affinity has windows {self.window}; expected the window to return weights for")
            window = self.window[0]
        if self.log_score_weight is None:
            return affinity_weights(embedding, window, self.hardness, norm=self.norm)
        if scores is None:
            raise InputError("scores are missing; expected the scores that the score weight compares")
        return affinity_weights(
            embedding, window, self.hardness, norm=self.norm, scores=scores, score_weight=self.score_weight
        )

    def extra_repr(self) -> str:
        weight = "" if self.log_score_weight is None else f", score_weight={_exp(self.log_score_weight).item():.4g}"
        return f"window={self.window}, hardness={self.hardness.item():.4g}, norm={self.norm}{weight}"


def _exp(logarithm: Tensor) -> Tensor:
    # Bounded, so that an optimiser gone astray meets a hard or a soft filter and never 0 or infinity.
    return logarithm.clamp(-_LARGEST_LOG, _LARGEST_LOG).exp()
