"""`embedding_loss` in plain PyTorch: the distances, the parity, and a hinge."""

import torch
from torch import Tensor

from crispseg.ops.local_distance.reference import local_distance_reference
from crispseg.ops.local_parity.reference import local_parity_reference
from crispseg.window import Window


def embedding_loss_reference(
    embedding: Tensor,
    labels: Tensor,
    window: Window,
    *,
    near: float,
    far: float,
    norm: int,
    stride: int,
    ignore_index: int,
    balance: str,
    reduction: str,
) -> Tensor:
    """See `crispseg.ops.embedding_loss`."""
    wide = embedding.to(torch.promote_types(embedding.dtype, torch.float32))
    distance = local_distance_reference(wide, window, norm=norm, stride=stride)
    parity, valid = local_parity_reference(labels, window, stride=stride, ignore_index=ignore_index)
    hinge = torch.where(parity, distance - near, far - distance).clamp(min=0)
    groups = [valid] if balance == "none" else [valid & parity, valid & ~parity]
    means = [hinge.where(group, 0).sum() / group.sum().clamp(min=1) for group in groups]
    present = torch.stack([group.any() for group in groups]).sum().clamp(min=1)
    mean = torch.stack(means).sum() / present
    return mean if reduction == "mean" else mean * valid.sum()
