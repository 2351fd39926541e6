"""`affinity` in plain PyTorch."""

import torch
from torch import Tensor

from crispseg.ops.local_distance.reference import local_distance_reference
from crispseg.window import Window


def affinity_reference(distance: Tensor, hardness: float | Tensor) -> Tensor:
    """See `crispseg.ops.affinity`."""
    # Infinity is taken out before the product and put back as weight 0 after it: a gradient to the hardness would
    # otherwise be infinity times 0.
    outside = torch.isposinf(distance)
    wide = distance.to(torch.promote_types(distance.dtype, torch.float32)).masked_fill(outside, 0)
    return torch.exp(-hardness * wide).masked_fill(outside, 0).to(distance.dtype)


def affinity_weights_reference(embedding: Tensor, window: Window, hardness: float | Tensor, *, norm: int = 1) -> Tensor:
    """See `crispseg.ops.affinity_weights`."""
    return affinity_reference(local_distance_reference(embedding, window, norm=norm), hardness)
