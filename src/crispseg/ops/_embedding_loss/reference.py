"""`embedding_loss` in plain PyTorch: the distances, the parity, and a hinge."""

import torch
from torch import Tensor

from crispseg.ops._local_distance.reference import local_distance, local_distance_backward
from crispseg.ops._local_parity.reference import local_parity
from crispseg.ops._sums import total
from crispseg.precision import at_least_float32


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
    """Return the loss of `crispseg.ops.embedding_loss`, and the embedding's gradient if it is learned."""
    wide = embedding.detach().to(at_least_float32(embedding))
    distance = local_distance(wide, size, dilation, norm, stride)
    parity, valid = local_parity(labels, size, dilation, stride, ignore_index)
    weights = _weights(parity, valid, balance, reduction, distance.dtype)
    hinge = torch.where(parity, distance - near, far - distance).clamp(min=0)
    loss = total(hinge.where(valid, 0) * weights)
    if not learns:
        return loss, wide.new_empty(0)
    pulled, pushed = parity & (distance > near), valid & ~parity & (distance < far)
    to_distance = weights.where(pulled, 0) - weights.where(pushed, 0)
    return loss, local_distance_backward(to_distance, wide, size, dilation, norm, stride)


def embedding_loss_backward(grad: Tensor, gradient: Tensor) -> Tensor:
    """Return the gradient of the embedding from the gradient of the loss, on any device."""
    return gradient * grad


def _weights(parity: Tensor, valid: Tensor, balance: str, reduction: str, dtype: torch.dtype) -> Tensor:
    """Return the weight of each pair in the loss; "parity" gives equal and different labels the same total."""
    groups = [valid] if balance == "none" else [valid & parity, valid & ~parity]
    counts = [int(group.sum()) for group in groups]
    present = sum(count > 0 for count in counts)
    total = sum(counts) if reduction == "sum" else 1
    weights = torch.zeros(valid.shape, dtype=dtype, device=valid.device)
    for group, count in zip(groups, counts, strict=True):
        if count:
            weights[group] = total / (count * present)
    return weights
