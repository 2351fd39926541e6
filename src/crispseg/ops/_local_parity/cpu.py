"""`local_parity` by the kernel in `csrc/local_parity.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._shift import strided_size


def local_parity(labels: Tensor, size: int, dilation: int, stride: int, ignore_index: int) -> tuple[Tensor, Tensor]:
    """See `crispseg.ops.local_parity`."""
    batch, height, width = labels.shape
    shape = (batch, size**2, strided_size(height, stride), strided_size(width, stride))
    parity = labels.new_empty(shape, dtype=torch.bool)
    valid = torch.empty_like(parity)
    _kernels.kernels().local_parity(
        labels.contiguous(), size, dilation, stride, ignore_index, torch.get_num_threads(), parity, valid
    )
    return parity, valid
