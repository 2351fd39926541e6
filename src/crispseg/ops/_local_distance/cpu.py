"""`local_distance` by the kernels in `csrc/local_distance.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._local_distance.registration import empty_result


def local_distance(embedding: Tensor, size: int, dilation: int, norm: int, stride: int) -> Tensor:
    """See `crispseg.ops.local_distance`."""
    distance = empty_result(embedding, size, dilation, norm, stride)
    _kernels.kernels().local_distance(
        embedding.detach(), size, dilation, norm, stride, torch.get_num_threads(), distance
    )
    return distance


def local_distance_backward(
    grad: Tensor, embedding: Tensor, size: int, dilation: int, norm: int, stride: int
) -> Tensor:
    """Return the gradient of the embedding."""
    result = torch.empty_like(embedding, requires_grad=False)
    _kernels.kernels().local_distance_backward(
        grad.detach(), embedding.detach(), size, dilation, norm, stride, torch.get_num_threads(), result
    )
    return result
