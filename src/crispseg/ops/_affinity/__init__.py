"""Weights from distances: exp(-hardness · distance) (eq. 3)."""

import torch
from torch import Tensor

from crispseg.checks import check_hardness, check_map
from crispseg.ops._registration import learns
from crispseg.precision import at_least_float32


def affinity(distance: Tensor, hardness: float | Tensor) -> Tensor:
    """Turn distances into weights between 0 and 1 (eq. 3).

    One expression in plain PyTorch, on every device. `affinity_weights` goes from an embedding to the same weights
    without the distances in between.

    Args:
        distance: (N, K, H, W) from `local_distance`; infinite outside the image, where the weight is 0.
        hardness: λ, above 0. A tensor of one element may be learned; its value is checked only on the CPU.

    Returns:
        Weights, shape and dtype of `distance`. The centre, at distance 0, weighs 1.

    Raises:
        InputError: If `hardness` is 0 or below, or a tensor of several elements or on another device.
        TypeError: If `distance` or a tensor `hardness` is not floating point.

    Example:
        >>> import torch
        >>> affinity(torch.tensor([[[[0.0, 0.5, torch.inf]]]]), 2.0)
        tensor([[[[1.0000, 0.3679, 0.0000]]]])
    """
    check_map("distance", distance)
    check_hardness(hardness, "distance", distance)
    wide = distance.to(at_least_float32(distance))
    if not isinstance(hardness, Tensor) or not learns(hardness):
        slope = -hardness.reshape(()) if isinstance(hardness, Tensor) else -hardness
        return torch.exp(wide * slope).to(distance.dtype)
    # The gradient to the hardness would be infinity times 0 outside: infinity is taken out before the product and put
    # back as weight 0 after it.
    outside = torch.isposinf(wide)
    # Spread image by image and row by row, so that its gradient is added up row by row: PyTorch cuts one large sum
    # among its threads, whose number would decide on the last bit.
    batch, _, height, _ = wide.shape
    slope = -hardness.reshape(1, 1, 1, 1).expand(batch, 1, 1, 1).expand(batch, 1, height, 1)
    weights = torch.exp(wide.masked_fill(outside, 0) * slope)
    return weights.masked_fill(outside, 0).to(distance.dtype)
