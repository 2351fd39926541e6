"""Joint upsampling by the kernel in `csrc/joint_upsample.cpp`; its gradients, and float64, in plain PyTorch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._joint_upsample import reference
from crispseg.ops._joint_upsample.reference import joint_upsample_backward

__all__ = ["joint_upsample", "joint_upsample_backward"]


def joint_upsample(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    hardness: Tensor,
    rows: Sequence[int],
    columns: Sequence[int],
    norm: int,
) -> Tensor:
    """See `crispseg.ops._joint_upsample.joint_upsample_part`; the coarse maps are brought to float32."""
    if torch.float64 in (value.dtype, features.dtype):
        return reference.joint_upsample(value, centres, features, hardness, rows, columns, norm)
    result = value.new_empty(*value.shape[:2], *features.shape[-2:], dtype=torch.float32)
    _kernels.kernels().joint_upsample(
        plain(value),
        plain(centres),
        features.detach(),
        rows,
        columns,
        float(hardness),
        norm,
        torch.get_num_threads(),
        result,
    )
    return result.to(value.dtype)


def plain(tensor: Tensor) -> Tensor:
    """Return a map as the kernel takes it: float32, contiguous, without a gradient."""
    return tensor.detach().to(torch.float32).contiguous()
