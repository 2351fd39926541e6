"""`embedding_loss` by the kernels in `csrc/embedding_loss.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels

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
) -> Tensor:
    """See `crispseg.ops.embedding_loss`."""
    loss = _kernels.kernels().embedding_loss(
        embedding.detach(),
        _narrow(labels, ignore_index),
        size,
        dilation,
        near,
        far,
        norm,
        stride,
        balance == "parity",
        reduction == "sum",
        torch.get_num_threads(),
    )
    return embedding.new_tensor(loss, dtype=torch.promote_types(embedding.dtype, torch.float32))


def embedding_loss_backward(
    grad: Tensor,
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
) -> Tensor:
    """Gradient to the embedding."""
    result = torch.empty_like(embedding, requires_grad=False)
    _kernels.kernels().embedding_loss_backward(
        grad.item(),
        embedding.detach(),
        _narrow(labels, ignore_index),
        size,
        dilation,
        near,
        far,
        norm,
        stride,
        balance == "parity",
        reduction == "sum",
        torch.get_num_threads(),
        result,
    )
    return result


def _narrow(labels: Tensor, ignore_index: int) -> Tensor:
    """Labels as int32, with the ignored ones marked: the kernel compares as many at once as it has distances."""
    ignored = labels == ignore_index
    if labels.dtype.itemsize > 4 and labels.numel():
        lowest, highest = labels.aminmax()
        if lowest <= _IGNORED or highest > torch.iinfo(torch.int32).max:
            labels = torch.unique(labels, return_inverse=True)[1]
    return labels.to(torch.int32).masked_fill_(ignored, _IGNORED).contiguous()
