"""Weights from an embedding, with a hardness that may be learned."""

import math

import torch
from torch import Tensor, nn

from crispseg.checks import check_choice, check_positive
from crispseg.ops import affinity_weights
from crispseg.window import Window, WindowLike

_LARGEST_LOG = math.log(1e30)


class Affinity(nn.Module):
    """Weights exp(-hardness · distance) of an embedding over a window (eq. 3).

    A learned hardness is kept as its logarithm, so that it stays positive whatever the optimiser does.

    Args:
        window: The neighbours: a `Window`, its size, or its text such as "9@2"; see `Window.of`.
        hardness: λ, or where learning starts.
        learned: Whether the hardness is a parameter (paper sec. 3.2).
        norm: 1 or 2; see `crispseg.ops.local_distance`.

    Raises:
        InputError: If `hardness` is not a finite number above 0, or `norm` is not 1 or 2.

    Example:
        >>> module = Affinity(Window(3), hardness=5.0, learned=True)
        >>> module(torch.zeros(1, 4, 6, 6)).shape
        torch.Size([1, 9, 6, 6])
        >>> round(module.hardness.item(), 4)
        5.0
    """

    log_hardness: Tensor

    def __init__(self, window: WindowLike, hardness: float, *, learned: bool = False, norm: int = 1) -> None:
        super().__init__()
        check_positive("hardness", hardness)
        check_choice("norm", norm, (1, 2))
        self.window = Window.of(window)
        self.norm = norm
        log_hardness = torch.tensor(math.log(hardness))
        if learned:
            self.log_hardness = nn.Parameter(log_hardness)
        else:
            self.register_buffer("log_hardness", log_hardness)

    @property
    def hardness(self) -> Tensor:
        """λ, a positive scalar tensor."""
        # Bounded, so that an optimiser gone astray meets a hard or a soft filter and never 0 or infinity.
        return self.log_hardness.clamp(-_LARGEST_LOG, _LARGEST_LOG).exp()

    def forward(self, embedding: Tensor) -> Tensor:
        """Return the (N, K, H, W) weights of an (N, D, H, W) embedding."""
        return affinity_weights(embedding, self.window, self.hardness, norm=self.norm)

    def extra_repr(self) -> str:
        return f"{self.window!r}, hardness={self.hardness.item():.4g}, norm={self.norm}"
