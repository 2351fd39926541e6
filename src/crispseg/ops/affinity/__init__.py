"""Weights from distances: exp(-hardness · distance) (eq. 3)."""

from torch import Tensor

from crispseg.checks import check_choice, check_map, check_positive
from crispseg.errors import InputError
from crispseg.ops.affinity.reference import affinity_reference, affinity_weights_reference
from crispseg.window import Window


def affinity(distance: Tensor, hardness: float | Tensor) -> Tensor:
    """Turn distances into weights between 0 and 1 (eq. 3).

    Args:
        distance: (N, K, H, W) from `local_distance`; infinite outside the image, where the weight is 0.
        hardness: λ, above 0. A tensor of one element may be learned; its sign is the caller's to keep.

    Returns:
        Weights, shape and dtype of `distance`. The centre, at distance 0, weighs 1.

    Raises:
        InputError: If `hardness` is a number of 0 or below, or a tensor of several elements.
        TypeError: If `distance` is not floating point.

    Example:
        >>> import torch
        >>> affinity(torch.tensor([[[[0.0, 0.5, torch.inf]]]]), 2.0)
        tensor([[[[1.0000, 0.3679, 0.0000]]]])
    """
    check_map("distance", distance)
    _check_hardness(hardness)
    return affinity_reference(distance, hardness)


def affinity_weights(embedding: Tensor, window: Window, hardness: float | Tensor, *, norm: int = 1) -> Tensor:
    """`affinity` of the `local_distance` of an embedding, in one call.

    Args:
        embedding: (N, D, H, W), floating point.
        window: The neighbours.
        hardness: λ, above 0; see `affinity`.
        norm: 1 or 2; see `local_distance`.

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
    check_choice("norm", norm, (1, 2))
    _check_hardness(hardness)
    return affinity_weights_reference(embedding, window, hardness, norm=norm)


def _check_hardness(hardness: float | Tensor) -> None:
    if not isinstance(hardness, Tensor):
        check_positive("hardness", hardness)
    elif hardness.numel() != 1:
        raise InputError(f"hardness has shape {tuple(hardness.shape)}; expected one element")
