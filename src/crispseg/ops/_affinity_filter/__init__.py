"""The filter with the weights of an embedding in one call: without the weights in memory, where none is learned."""

import torch
from torch import Tensor

from crispseg.checks import check_map, check_same_grid, is_recorded
from crispseg.ops._affinity_filter import registration as registration
from crispseg.ops._affinity_weights import affinity_weights, check_compared, compared
from crispseg.ops._local_filter import local_filter
from crispseg.ops._registration import as_scalar
from crispseg.ops.exporting import keeps_operators
from crispseg.value_checks import MOST_PASSES, check_count
from crispseg.window import Window, WindowLike


def affinity_filter(
    values: Tensor,
    embedding: Tensor,
    window: WindowLike,
    hardness: float | Tensor,
    *,
    passes: int = 1,
    norm: int = 1,
    scores: Tensor | None = None,
    score_weight: float | Tensor = 0.0,
) -> Tensor:
    """Return the `local_filter` of values by the `affinity_weights` of an embedding, in one call.

    The result is the same. On a CPU, where no gradient is recorded, weights are made where they are used: in memory
    they would take more room than values and embedding, and more time to be written and read.

    Args:
        values: (N, C, H, W), floating point, any C.
        embedding: (N, D, H, W), floating point.
        window: The neighbours; see `Window.of`.
        hardness: λ, above 0; see `affinity`.
        passes: How many times the filter is applied.
        norm: 1 or 2; see `local_distance`.
        scores: (N, S, H, W), floating point, whose differences add to distances; see `affinity_weights`.
        score_weight: μ, 0 or above.

    Returns:
        Filtered values, shape and dtype of `values`.

    Raises:
        InputError: If shapes or devices do not match, or an option is not as above.
        TypeError: If a tensor is not floating point.

    Example:
        >>> import torch
        >>> values = torch.tensor([[[[0.0, 3.0, 6.0]]]])
        >>> affinity_filter(values, torch.tensor([[[[0.0, 0.0, 9.0]]]]), Window(3), 1.0).round(decimals=2)
        tensor([[[[1.5000, 1.5000, 6.0000]]]])
    """
    check_map("values", values)
    check_map("embedding", embedding)
    check_same_grid("values", values, "embedding", embedding)
    window = Window.of(window)
    check_count("passes", passes, MOST_PASSES)
    if is_recorded(values, embedding, hardness, scores, score_weight) and not keeps_operators():
        weights = affinity_weights(embedding, window, hardness, norm=norm, scores=scores, score_weight=score_weight)
        return local_filter(values, weights, window, passes=passes)
    check_compared(embedding, hardness, norm, scores, score_weight)
    result: Tensor = torch.ops.crispseg.affinity_filter(
        values,
        embedding,
        as_scalar(hardness, embedding),
        *compared(scores, score_weight, embedding),
        window.size,
        window.dilation,
        norm,
        passes,
    )
    return result
