"""`embedding_loss` by the kernels in `csrc/embedding_loss.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._embedding_loss.reference import embedding_loss_backward
from crispseg.precision import at_least_float32

__all__ = ["embedding_loss", "embedding_loss_backward"]

_IGNORED = torch.iinfo(torch.int32).min


def embedding_loss(
    embedding: Tensor,
    labels: Tensor,
    size: int,
    dilation: int,
    near: float,
    far: float,
    norm: int,
    stride: int,
    ignore_index: int,
    balance: str,
    reduction: str,
    learns: bool,
) -> tuple[Tensor, Tensor]:
    """See the reference."""
    wide = at_least_float32(embedding)
    arguments = (embedding.detach(), _narrow(labels, ignore_index), size, dilation, near, far, norm, stride)
    options = (balance == "parity", reduction == "sum", torch.get_num_threads())
    if learns:
        gradient = torch.empty_like(embedding, dtype=wide, requires_grad=False)
        loss = _kernels.kernels().embedding_loss_with_gradient(*arguments, *options, gradient)
    else:
        gradient = embedding.new_empty(0, dtype=wide)
        loss = _kernels.kernels().embedding_loss(*arguments, *options)
    return embedding.new_tensor(loss, dtype=wide), gradient


def _narrow(labels: Tensor, ignore_index: int) -> Tensor:
    """Return int64 labels as int32 with ignored ones marked, so that vectors hold as many labels as distances."""
    ignored = labels == ignore_index
    if labels.numel():
        lowest, highest = labels.aminmax()
        if lowest <= _IGNORED or highest > torch.iinfo(torch.int32).max:
            labels = torch.unique(labels, return_inverse=True)[1]
    return labels.to(torch.int32).masked_fill(ignored, _IGNORED).contiguous()
