"""Sums whose bits do not depend on the number of threads."""

from torch import Tensor
from torch.nn.functional import pad

_ROW = 1024
"""The length of a row, below the size at which PyTorch splits a sum among threads."""


def total(values: Tensor) -> Tensor:
    """Return the sum of all elements, a scalar: the same bits on any number of threads.

    PyTorch splits the sum of a large tensor into as many parts as there are threads. Here every row is summed by a
    single thread.
    """
    sums = values.flatten()
    while sums.numel() > _ROW:
        sums = pad(sums, (0, -sums.numel() % _ROW)).view(-1, _ROW).sum(1)
    return sums.sum()
