"""`affinity_filter` on a GPU: the kernels for the weights, and for the filter."""

from torch import Tensor

from crispseg.ops._affinity_weights.triton import affinity_weights
from crispseg.ops._local_filter.triton import local_filter


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
    """See `crispseg.ops.affinity_filter`."""
    weights = affinity_weights(
        embedding, hardness, scores, score_weight, size, dilation, norm, normalize=False, learns=False
    )
    return local_filter(values, weights, size, dilation, passes, normalize=True, learns=False)[0]
