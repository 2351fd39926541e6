"""Joint upsampling by the kernel in `csrc/joint_upsample.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops.interpolation import Axis


def joint_upsample_part(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    rows: Axis,
    columns: Axis,
    hardness: float,
    norm: int,
) -> Tensor:
    """See `crispseg.ops.joint_upsample.joint_upsample_part`; the coarse maps are brought to float32."""
    result = value.new_empty(*value.shape[:2], *features.shape[-2:], dtype=torch.float32)
    _kernels.kernels().joint_upsample(
        _plain(value),
        _plain(centres),
        features.detach(),
        rows,
        columns,
        hardness,
        norm,
        torch.get_num_threads(),
        result,
    )
    return result.to(value.dtype)


def _plain(tensor: Tensor) -> Tensor:
    return tensor.detach().to(torch.float32).contiguous()
