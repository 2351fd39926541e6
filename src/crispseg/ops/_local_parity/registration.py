"""`local_parity` as an operator. Labels have no gradient."""

import torch
from torch import Tensor

from crispseg.ops._registration import define
from crispseg.ops.shift import strided_size


def empty_results(labels: Tensor, size: int, dilation: int, stride: int, ignore_index: int) -> tuple[Tensor, Tensor]:
    """Return empty results of the operator: parity, and whether there is a pair."""
    batch, height, width = labels.shape
    shape = (batch, size**2, strided_size(height, stride), strided_size(width, stride))
    parity = labels.new_empty(shape, dtype=torch.bool)
    return parity, torch.empty_like(parity)


define(
    "local_parity(Tensor labels, int size, int dilation, int stride, int ignore_index) -> (Tensor, Tensor)",
    empty_results,
)
