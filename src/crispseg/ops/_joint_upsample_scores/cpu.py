"""`joint_upsample_scores` by the kernel in `csrc/joint_upsample.cpp`; float64 in plain PyTorch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._joint_upsample.cpu import plain
from crispseg.ops._joint_upsample_scores import reference


def joint_upsample_scores(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    before: Tensor,
    after: Tensor,
    hardness: Tensor,
    rows: Sequence[int],
    columns: Sequence[int],
    norm: int,
    whole: float | None,
) -> Tensor:
    """See `crispseg.ops._joint_upsample_scores.joint_upsample_scores`; all maps but the features become float32."""
    if torch.float64 in (value.dtype, features.dtype):
        return reference.joint_upsample_scores(
            value, centres, features, before, after, hardness, rows, columns, norm, whole
        )
    result = value.new_empty(*value.shape[:2], *features.shape[-2:], dtype=torch.float32)
    _kernels.kernels().joint_upsample_scores(
        plain(value),
        plain(centres),
        features.detach(),
        plain(before),
        plain(after),
        rows,
        columns,
        float(hardness),
        norm,
        whole is not None,
        1.0 if whole is None else whole,
        torch.get_num_threads(),
        result,
    )
    return result.to(value.dtype)
