"""`local_parity` as an operator. Labels have no gradient."""

import torch
from torch import Tensor

from crispseg.ops._registration import define
from crispseg.ops._shift import strided_size


def _shapes(labels: Tensor, size: int, dilation: int, stride: int, ignore_index: int) -> tuple[Tensor, Tensor]:
    batch, height, width = labels.shape
    shape = (batch, size**2, strided_size(height, stride), strided_size(width, stride))
    parity = labels.new_empty(shape, dtype=torch.bool)
    return parity, torch.empty_like(parity)


define("local_parity(Tensor labels, int size, int dilation, int stride, int ignore_index) -> (Tensor, Tensor)", _shapes)
