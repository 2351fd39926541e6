"""`affinity_weights` by the kernels in `csrc/affinity_weights.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._affinity_weights.scores import empty_scaled, gradients_from_scaled
from crispseg.ops._layout import empty_pairs


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
    weights = empty_pairs(embedding, size**2, *embedding.shape[-2:], planar=not learns)
    given = features(embedding, scores, score_weight)
    threads = torch.get_num_threads()
    _kernels.kernels().affinity_weights(*given, hardness.item(), size, dilation, norm, normalize, threads, weights)
    return weights


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
    result, to_scaled = torch.empty_like(embedding, requires_grad=False), empty_scaled(embedding, scores)
    given = features(embedding, scores, score_weight)
    threads = torch.get_num_threads()
    to_hardness = _kernels.kernels().affinity_weights_backward(
        grad.detach(), *given, hardness.item(), size, dilation, norm, threads, result, to_scaled
    )
    further = gradients_from_scaled(to_scaled, embedding, scores, score_weight)
    return result, hardness.new_tensor(to_hardness), *further


def features(
    embedding: Tensor, scores: Tensor | None, score_weight: Tensor | None
) -> tuple[Tensor, Tensor | None, float]:
    """Return the maps whose channels are compared, as the kernels take them: embedding, scores and their weight."""
    if scores is None or score_weight is None:
        return embedding.detach(), None, 0.0
    return embedding.detach(), scores.detach(), score_weight.item()
