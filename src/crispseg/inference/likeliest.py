"""Running results of each pixel while labels are processed a few at a time."""

import torch
from torch import Tensor

from crispseg.data.box import Box


class Likeliest:
    """The likeliest label of every pixel so far; of equally likely labels, the smaller one."""

    def __init__(self, size: tuple[int, int], device: torch.device) -> None:
        self.share = torch.zeros(size, device=device)
        self.label = torch.full(size, torch.iinfo(torch.int64).max, device=device)

    def add(self, shares: Tensor, labels: Tensor, box: Box) -> None:
        """Take (1, S, *box.size) shares of S labels in ascending order into account."""
        share, channel = shares[0].max(0)
        label, (rows, columns) = labels[channel], box.slices
        best, chosen = self.share[rows, columns], self.label[rows, columns]
        better = (share > best) | ((share == best) & (share > 0) & (label < chosen))
        best[better], chosen[better] = share[better], label[better]
