"""How well an embedding separates pairs of pixels: the share of pairs on the right side of the margins."""

import operator
from dataclasses import dataclass

import torch
from torch import Tensor

from crispseg.ops import local_distance, local_parity
from crispseg.window import WindowLike


@dataclass(frozen=True)
class PairCounts:
    """Numbers of pairs with one label and with two labels, and of those on the right side of the margins of eq. 2."""

    same: int
    same_right: int
    different: int
    different_right: int

    def __add__(self, other: "PairCounts") -> "PairCounts":
        return PairCounts(*map(operator.add, vars(self).values(), vars(other).values()))

    @property
    def same_share(self) -> float:
        """Share of the pairs with one label that are at most `near` apart; NaN without such pairs."""
        return self.same_right / self.same if self.same else float("nan")

    @property
    def different_share(self) -> float:
        """Share of the pairs with two labels that are at least `far` apart; NaN without such pairs."""
        return self.different_right / self.different if self.different else float("nan")


@torch.no_grad()
def count_pairs(
    embedding: Tensor,
    labels: Tensor,
    window: WindowLike,
    *,
    near: float = 0.5,
    far: float = 2.0,
    norm: int = 1,
    stride: int = 1,
    ignore_index: int = 255,
) -> PairCounts:
    """Count the pairs of a batch; see `crispseg.ops.embedding_loss` for the arguments.

    Example:
        >>> counts = count_pairs(torch.tensor([[[[0.0, 0.1, 5.0]]]]), torch.tensor([[[0, 0, 1]]]), 3)
        >>> counts.same_share, counts.different_share
        (1.0, 1.0)
    """
    distance = local_distance(embedding, window, norm=norm, stride=stride)
    parity, valid = local_parity(labels, window, stride=stride, ignore_index=ignore_index)
    same, different = valid & parity, valid & ~parity
    return PairCounts(
        same=int(same.sum()),
        same_right=int((same & (distance <= near)).sum()),
        different=int(different.sum()),
        different_right=int((different & (distance >= far)).sum()),
    )
