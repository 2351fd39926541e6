"""Sums whose bits do not depend on who adds."""

from torch import Tensor
from torch.nn.functional import pad

_ROW = 1024
"""Below the size at which PyTorch cuts a sum among its threads."""


def total(values: Tensor) -> Tensor:
    """Return the sum of all elements, a scalar: the same bits on any number of threads.

    PyTorch cuts the sum of a large tensor into as many parts as there are threads. Here every row of some elements is
    added up by one of them.
    """
    sums = values.flatten()
    while sums.numel() > _ROW:
        sums = pad(sums, (0, -sums.numel() % _ROW)).view(-1, _ROW).sum(1)
    return sums.sum()
