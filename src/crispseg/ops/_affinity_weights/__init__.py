"""Weights from an embedding in one pass: `affinity` of `local_distance`, without the distances in between."""

import torch
from torch import Tensor

from crispseg.checks import check_choice, check_hardness, check_map
from crispseg.ops._affinity_weights import registration as registration
from crispseg.window import Window, WindowLike


def affinity_weights(
    embedding: Tensor, window: WindowLike, hardness: float | Tensor, *, norm: int = 1, normalize: bool = False
) -> Tensor:
    """Return the weights of an embedding in one call: `affinity` of its `local_distance` (eq. 3).

    Args:
        embedding: (N, D, H, W), floating point. Half precisions are computed in float32 and rounded once.
        window: The neighbours: a `Window`, its size, or its text such as "9@2"; see `Window.of`.
        hardness: λ, above 0; see `affinity`.
        norm: 1 or 2; see `local_distance`.
        normalize: Divide by the sum of the weights of each pixel. `local_filter` does so by itself.

    Returns:
        (N, K, H, W) weights, dtype of `embedding`.

    Raises:
        InputError: If the shape, `hardness` or `norm` is not as above.
        TypeError: If `embedding` is not floating point.

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
    check_choice("norm", norm, (1, 2))
    check_hardness(hardness, "embedding", embedding)
    if isinstance(hardness, Tensor):
        slope = hardness.reshape(())
    else:
        slope = embedding.new_full((), hardness, dtype=torch.promote_types(embedding.dtype, torch.float32))
    weights: Tensor = torch.ops.crispseg.affinity_weights(
        embedding, slope, window.size, window.dilation, norm, normalize
    )
    return weights
