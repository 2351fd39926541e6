"""`affinity_weights` in plain PyTorch: the distances, and an exponential."""

import torch
from torch import Tensor

from crispseg.ops._affinity_weights.scores import gradients_from_scaled
from crispseg.ops._layout import laid_out
from crispseg.ops._local_distance.reference import local_distance, local_distance_backward
from crispseg.ops._sums import total
from crispseg.precision import at_least_float32


def affinity_weights(
    embedding: Tensor,
    hardness: Tensor,
    scores: Tensor | None,
    score_weight: Tensor | None,
    size: int,
    dilation: int,
    norm: int,
    normalize: bool,
    learns: bool,
) -> Tensor:
    """See `crispseg.ops.affinity_weights`."""
    features = _features(embedding, scores, score_weight)
    weights = _weights(local_distance(features, size, dilation, norm, 1), hardness)
    if normalize:
        weights = weights / weights.sum(1, keepdim=True)
    return laid_out(weights.to(embedding.dtype), planar=not learns)


def affinity_weights_backward(
    grad: Tensor,
    embedding: Tensor,
    hardness: Tensor,
    scores: Tensor | None,
    score_weight: Tensor | None,
    size: int,
    dilation: int,
    norm: int,
) -> tuple[Tensor, ...]:
    """Return the gradients of embedding, hardness, scores and score weight, for weights that are not normalised."""
    features = _features(embedding, scores, score_weight)
    distance = local_distance(features, size, dilation, norm, 1)
    weighted = _weights(distance, hardness) * grad
    to_distance = weighted * -hardness.detach().to(weighted.dtype)
    to_features = local_distance_backward(to_distance, features, size, dilation, norm, 1)
    to_hardness = -total(distance.masked_fill(torch.isposinf(distance), 0) * weighted)
    to_embedding = torch.empty_like(embedding).copy_(to_features[:, : embedding.shape[1]])
    to_scaled = None if scores is None else to_features[:, embedding.shape[1] :]
    further = gradients_from_scaled(to_scaled, embedding, scores, score_weight)
    return to_embedding, to_hardness.to(hardness.dtype), *further


def _weights(distance: Tensor, hardness: Tensor) -> Tensor:
    return torch.exp(-hardness.detach().to(distance.dtype) * distance)


def _features(embedding: Tensor, scores: Tensor | None, score_weight: Tensor | None) -> Tensor:
    """Return embedding and scaled scores as channels of one tensor, in the accumulation dtype."""
    wide = embedding.detach().to(at_least_float32(embedding, scores))
    if scores is None or score_weight is None:
        return wide
    return torch.cat([wide, scores.detach().to(wide.dtype) * score_weight.detach().to(wide.dtype)], 1)
