"""Upsampling along the features of an image: coarse values are spread over the pixels that belong with them."""

import torch
from torch import Tensor

from crispseg.checks import check_hardness, check_map
from crispseg.compatibility import is_exporting
from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid
from crispseg.ops._joint_upsample import reference
from crispseg.ops._joint_upsample import registration as registration
from crispseg.ops._registration import as_scalar
from crispseg.ops.exporting import keeps_operators
from crispseg.ops.interpolation import Axis, at_scores
from crispseg.value_checks import check_choice


def joint_upsample(
    value: Tensor, features: Tensor, hardness: float | Tensor, *, norm: int = 1, grid: Grid = CENTRES
) -> Tensor:
    """Upsample a coarse map along the features of an image.

    The weights of bilinear upsampling are multiplied by exp(-λ·d) and divided by their sum, so that a coarse pixel
    counts for little where the features differ. d is the distance from the features of the pixel to those at the centre
    of the coarse one. This is joint bilateral upsampling (Kopf et al. 2007, https://doi.org/10.1145/1276377.1276497)
    with an embedding as the guide and a tent as the spatial kernel. All tensors get gradients.

    Args:
        value: (N, C, h, w), floating point, such as probabilities.
        features: (N, D, H, W), floating point, by which pixels are compared.
        hardness: λ, above 0; a value near 0 gives bilinear upsampling.
        norm: 1 or 2, the norm of the distance.
        grid: How the coarse pixels lie on the features; pixels outside them take the nearest.

    Returns:
        (N, C, H, W), dtype of `value`.

    Raises:
        InputError: If a shape or an option is not as above.
        TypeError: If a tensor is not floating point.

    Example:
        >>> import torch
        >>> features = torch.tensor([[[[0.0, 0.0, 0.0, 9.0]]]])
        >>> joint_upsample(torch.tensor([[[[0.0, 1.0]]]]), features, hardness=1.0).round(decimals=3)
        tensor([[[[0.0000, 0.0040, 0.0320, 1.0000]]]])
    """
    check_map("value", value)
    check_map("features", features)
    check_choice("norm", norm, (1, 2))
    check_hardness(hardness, "features", features)
    if value.shape[0] != features.shape[0]:  # len() would bind an exported program to one batch size
        raise InputError(f"value has N = {value.shape[0]}, features have N = {features.shape[0]}; expected the same")
    if value.device != features.device:
        raise InputError(f"value is on {value.device}, features on {features.device}; move both to the same device")
    size, coarse = (features.shape[-2], features.shape[-1]), (value.shape[-2], value.shape[-1])
    centres = at_scores(features, coarse, grid)
    rows, columns = map(Axis.of, grid.lines(size, coarse))
    return joint_upsample_part(value, centres, features, rows, columns, hardness, norm=norm)


def joint_upsample_part(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    rows: Axis,
    columns: Axis,
    hardness: float | Tensor,
    *,
    norm: int = 1,
) -> Tensor:
    """Return a part of the upsampled map, for images that are upsampled in tiles.

    Args:
        value: (N, C, h, w), the coarse pixels that the part is upsampled from.
        centres: (N, D, h, w) features at their centres.
        features: (N, D, H, W) features of the part.
        rows: The mapping of its rows to the coarse rows.
        columns: The mapping of its columns to the coarse columns.
        hardness: λ.
        norm: 1 or 2.

    Returns:
        (N, C, H, W), dtype of `value`.
    """
    if is_exporting() and not keeps_operators():
        return reference.joint_upsample(value, centres, features, hardness, rows, columns, norm)
    upsampled: Tensor = torch.ops.crispseg.joint_upsample(
        value, centres, features, as_scalar(hardness, features), rows, columns, norm
    )
    return upsampled
