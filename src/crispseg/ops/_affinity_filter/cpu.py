"""`affinity_filter` by the kernels in `csrc/affinity_filter.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._affinity_weights.cpu import features


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
    result = torch.empty_like(values, requires_grad=False)
    given = features(embedding, scores, score_weight)
    threads = torch.get_num_threads()
    _kernels.kernels().affinity_filter(
        values.detach(), *given, hardness.item(), size, dilation, norm, passes, threads, result
    )
    return result
