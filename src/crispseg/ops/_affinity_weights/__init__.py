"""Weights from an embedding in one pass: `affinity` of `local_distance`, without the distances in between."""

import torch
from torch import Tensor

from crispseg.checks import check_hardness, check_map, check_same_grid, check_score_weight
from crispseg.ops._affinity_weights import registration as registration
from crispseg.ops._registration import as_scalar, learns
from crispseg.value_checks import check_choice
from crispseg.window import Window, WindowLike


def affinity_weights(
    embedding: Tensor,
    window: WindowLike,
    hardness: float | Tensor,
    *,
    norm: int = 1,
    normalize: bool = False,
    scores: Tensor | None = None,
    score_weight: float | Tensor = 0.0,
) -> Tensor:
    """Return the weights of an embedding in one call: `affinity` of its `local_distance` (eq. 3).

    Scores, if given, count as further channels of the embedding, multiplied by `score_weight`: neighbours with other
    scores are farther. With norm 1 the weights are exp(-λ·(d + μ·Σ|p_i - p_j|)).

    Args:
        embedding: (N, D, H, W), floating point. Half precisions are computed in float32 and rounded once.
        window: The neighbours: a `Window`, its size, or its text such as "9@2"; see `Window.of`.
        hardness: λ, above 0; see `affinity`.
        norm: 1 or 2; see `local_distance`.
        normalize: Divide by the sum of the weights of each pixel. `local_filter` does so by itself.
        scores: (N, C, H, W), floating point, such as probabilities; None for none. The dtype may differ from the
            embedding's.
        score_weight: μ, 0 or above. A tensor of one element may be learned; its value is checked only on the CPU. Its
            gradient is 0 where it is 0, so learning has to start above.

    Returns:
        (N, K, H, W) weights, dtype of `embedding`. On a CPU the weights of a pixel lie side by side in memory if a
        gradient is recorded, else in planes: `local_filter` takes both.

    Raises:
        InputError: If the shape, `hardness`, `norm` or `score_weight` is not as above, or `scores` differ from the
            embedding in batch size, height, width or device.
        TypeError: If `embedding`, `scores`, or a tensor `hardness` or `score_weight` is not floating point.

    Example:
        >>> import torch
        >>> weights = affinity_weights(torch.zeros(1, 4, 5, 5), Window(3), 5.0)
        >>> weights[0, :, 0, 0].reshape(3, 3)
        tensor([[0., 0., 0.],
                [0., 1., 1.],
                [0., 1., 1.]])
    """
    check_map("embedding", embedding)
    window = Window.of(window)
    check_compared(embedding, hardness, norm, scores, score_weight)
    weighed = compared(scores, score_weight, embedding)
    weights: Tensor = torch.ops.crispseg.affinity_weights(
        embedding,
        as_scalar(hardness, embedding),
        weighed[0],
        weighed[1],
        window.size,
        window.dilation,
        norm,
        normalize,
        any(isinstance(x, Tensor) and learns(x) for x in (embedding, hardness, *weighed)),
    )
    return weights


def check_compared(
    embedding: Tensor, hardness: float | Tensor, norm: int, scores: Tensor | None, score_weight: float | Tensor
) -> None:
    """Refuse what pixels cannot be compared by; see `affinity_weights`."""
    check_choice("norm", norm, (1, 2))
    check_hardness(hardness, "embedding", embedding)
    check_score_weight(score_weight, "embedding", embedding)
    if scores is not None:
        check_map("scores", scores)
        check_same_grid("scores", scores, "embedding", embedding)


def compared(
    scores: Tensor | None, score_weight: float | Tensor, embedding: Tensor
) -> tuple[Tensor, Tensor] | tuple[None, None]:
    """Return scores and their weight as a tensor; None if they do not count."""
    if scores is None or (not isinstance(score_weight, Tensor) and score_weight == 0):
        return None, None
    return scores, as_scalar(score_weight, embedding)
