"""`local_parity` by the kernel in `csrc/local_parity.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._local_parity.registration import empty_results


def local_parity(labels: Tensor, size: int, dilation: int, stride: int, ignore_index: int) -> tuple[Tensor, Tensor]:
    """See `crispseg.ops.local_parity`."""
    parity, valid = empty_results(labels, size, dilation, stride, ignore_index)
    _kernels.kernels().local_parity(
        labels.contiguous(), size, dilation, stride, ignore_index, torch.get_num_threads(), parity, valid
    )
    return parity, valid
