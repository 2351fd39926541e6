"""`local_parity` in plain PyTorch: a loop over the window."""

import torch
from torch import Tensor

from crispseg.ops._shift import shifts, strided_size
from crispseg.window import Window


def local_parity_reference(
    labels: Tensor, window: Window, *, stride: int = 1, ignore_index: int = 255
) -> tuple[Tensor, Tensor]:
    """See `crispseg.ops.local_parity`."""
    batch, height, width = labels.shape
    size = (batch, window.count, strided_size(height, stride), strided_size(width, stride))
    parity = labels.new_zeros(size, dtype=torch.bool)
    valid = torch.zeros_like(parity)
    for shift in shifts(window, height, width, stride):
        if shift.k == window.centre:
            continue
        centre, neighbour = labels[:, *shift.centre], labels[:, *shift.neighbour]
        pair = (centre != ignore_index) & (neighbour != ignore_index)
        valid[:, shift.k, *shift.out] = pair
        parity[:, shift.k, *shift.out] = pair & (centre == neighbour)
    return parity, valid
