"""`affinity_weights` in plain PyTorch: the distances, and an exponential."""

import torch
from torch import Tensor

from crispseg.ops._local_distance.reference import local_distance, local_distance_backward
from crispseg.ops._sums import total


def affinity_weights(
    embedding: Tensor, hardness: Tensor, size: int, dilation: int, norm: int, normalize: bool
) -> Tensor:
    """See `crispseg.ops.affinity_weights`."""
    _, weights = _distance_and_weights(embedding, hardness, size, dilation, norm)
    if normalize:
        weights = weights / weights.sum(1, keepdim=True)
    return weights.to(embedding.dtype)


def affinity_weights_backward(
    grad: Tensor, embedding: Tensor, hardness: Tensor, size: int, dilation: int, norm: int
) -> tuple[Tensor, Tensor]:
    """Return the gradients of embedding and hardness, for weights that are not normalised."""
    distance, weights = _distance_and_weights(embedding, hardness, size, dilation, norm)
    weighted = weights * grad
    to_distance = weighted * -hardness.to(weights.dtype)
    to_embedding = local_distance_backward(to_distance, _wide(embedding), size, dilation, norm, 1)
    to_hardness = -total(distance.masked_fill(torch.isposinf(distance), 0) * weighted)
    return torch.empty_like(embedding).copy_(to_embedding), to_hardness.to(hardness.dtype)


def _distance_and_weights(
    embedding: Tensor, hardness: Tensor, size: int, dilation: int, norm: int
) -> tuple[Tensor, Tensor]:
    distance = local_distance(_wide(embedding), size, dilation, norm, 1)
    return distance, torch.exp(-hardness.detach().to(distance.dtype) * distance)


def _wide(embedding: Tensor) -> Tensor:
    return embedding.detach().to(torch.promote_types(embedding.dtype, torch.float32))
