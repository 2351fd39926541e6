"""What joint upsampling means."""

import torch
from torch import Tensor

from crispseg.ops.interpolation import Axis, Sources, sources

_NUMBERS_AT_ONCE = 2**21
"""Of a band of rows: 8 MB, more than calls cost and less than a whole image takes."""


def joint_upsample_part(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    rows: Axis,
    columns: Axis,
    hardness: float | Tensor,
    norm: int,
) -> Tensor:
    """See `crispseg.ops.joint_upsample.joint_upsample_part`."""
    up, across = _sources(rows, features.shape[-2]), _sources(columns, features.shape[-1])
    corners = [
        (vertical.to(value.device), down.to(value.device), horizontal.to(value.device), right.to(value.device))
        for vertical, down in ((up.before, 1 - up.share), (up.behind, up.share))
        for horizontal, right in ((across.before, 1 - across.share), (across.behind, across.share))
    ]
    if features.device.type != "cpu" or torch.compiler.is_compiling():
        return _band(value, centres, features, corners, slice(None), hardness, norm)
    band = max(1, _NUMBERS_AT_ONCE // max(1, features.shape[1] * features.shape[-1]))
    parts = [
        _band(value, centres, features[..., top : top + band, :], corners, slice(top, top + band), hardness, norm)
        for top in range(0, features.shape[-2], band)
    ]
    return torch.cat(parts, -2)


def _sources(axis: Axis, count: int) -> Sources:
    return sources(axis.start, axis.start + count, axis.length, axis.resized).counted_from(axis.first)


def _band(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    corners: list[tuple[Tensor, Tensor, Tensor, Tensor]],
    rows: slice,
    hardness: float | Tensor,
    norm: int,
) -> Tensor:
    exponents = []
    for vertical, down, horizontal, right in corners:
        there = centres.index_select(-1, horizontal).index_select(-2, vertical[rows])
        tent = down[rows, None] * right
        exponents.append(tent.log() - hardness * _distance(features, there, norm))
    # A softmax: however far all four are, their weights sum to 1.
    weights = torch.stack(exponents, 1).softmax(1).to(value.dtype)
    upsampled = torch.zeros((), dtype=value.dtype, device=value.device)
    for index, (vertical, _, horizontal, _) in enumerate(corners):
        spread = value.index_select(-1, horizontal).index_select(-2, vertical[rows])
        upsampled = upsampled + weights[:, index, None] * spread
    return upsampled


def _distance(features: Tensor, others: Tensor, norm: int) -> Tensor:
    """(N, H, W), float32 or wider."""
    difference = features - others
    wide = torch.promote_types(features.dtype, torch.float32)
    if norm == 1:
        return difference.abs().sum(1, dtype=wide)
    length: Tensor = torch.linalg.vector_norm(difference, dim=1, dtype=wide)
    return length
