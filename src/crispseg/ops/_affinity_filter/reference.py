"""`affinity_filter` in plain PyTorch: the weights, and the filter."""

from torch import Tensor

from crispseg.ops._affinity_weights.reference import affinity_weights
from crispseg.ops._local_filter.reference import local_filter
from crispseg.precision import at_least_float32


def affinity_filter(
    values: Tensor,
    embedding: Tensor,
    hardness: Tensor,
    scores: Tensor | None,
    score_weight: Tensor | None,
    size: int,
    dilation: int,
    norm: int,
    passes: int,
) -> Tensor:
    """See `crispseg.ops.affinity_filter`; weights are not rounded to half precision."""
    wide = embedding.to(at_least_float32(embedding, scores))
    weights = affinity_weights(
        wide, hardness, scores, score_weight, size, dilation, norm, normalize=False, learns=False
    )
    return local_filter(values, weights, size, dilation, passes, normalize=True, learns=False)[0]
