"""`local_parity` in plain PyTorch: a loop over the window."""

import torch
from torch import Tensor

from crispseg.ops.shift import shifts, strided_size
from crispseg.window import Window


def local_parity(labels: Tensor, size: int, dilation: int, stride: int, ignore_index: int) -> tuple[Tensor, Tensor]:
    """See `crispseg.ops.local_parity`."""
    window = Window(size, dilation)
    batch, height, width = labels.shape
    shape = (batch, window.count, strided_size(height, stride), strided_size(width, stride))
    parity = labels.new_zeros(shape, dtype=torch.bool)
    valid = torch.zeros_like(parity)
    for shift in shifts(window, height, width, stride):
        if shift.k == window.centre:
            continue
        centre, neighbour = labels[:, *shift.centre], labels[:, *shift.neighbour]
        pair = (centre != ignore_index) & (neighbour != ignore_index)
        valid[:, shift.k, *shift.out] = pair
        parity[:, shift.k, *shift.out] = pair & (centre == neighbour)
    return parity, valid
