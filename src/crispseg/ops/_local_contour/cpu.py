"""`local_contour` by the kernels in `csrc/local_contour.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._local_contour.registration import empty_result
from crispseg.precision import at_least_float32


def local_contour(boundary: Tensor, size: int, dilation: int) -> Tensor:
    """See `crispseg.ops.local_contour`."""
    contour = empty_result(boundary, size, dilation)
    _kernels.kernels().local_contour(_wide(boundary), size, dilation, torch.get_num_threads(), contour)
    return contour


def local_contour_backward(grad: Tensor, boundary: Tensor, size: int, dilation: int) -> Tensor:
    """Return the gradient of the boundary map."""
    wide = _wide(boundary)
    result = torch.empty_like(wide)
    _kernels.kernels().local_contour_backward(grad.detach(), wide, size, dilation, torch.get_num_threads(), result)
    return torch.empty_like(boundary).copy_(result)


def _wide(boundary: Tensor) -> Tensor:
    """Return the boundary map in the accumulation dtype, contiguous: a single channel is small."""
    return boundary.detach().to(at_least_float32(boundary)).contiguous()
