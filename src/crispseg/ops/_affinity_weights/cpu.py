"""`affinity_weights` by the kernels in `csrc/affinity_weights.cpp`."""

import torch
from torch import Tensor

from crispseg.ops import _kernels
from crispseg.ops._layout import empty_pairs


def affinity_weights(
    embedding: Tensor, hardness: Tensor, size: int, dilation: int, norm: int, normalize: bool
) -> Tensor:
    """See `crispseg.ops.affinity_weights`."""
    weights = empty_pairs(embedding, size**2, *embedding.shape[-2:])
    threads = torch.get_num_threads()
    _kernels.kernels().affinity_weights(
        embedding.detach(), hardness.item(), size, dilation, norm, normalize, threads, weights
    )
    return weights


def affinity_weights_backward(
    grad: Tensor, embedding: Tensor, hardness: Tensor, size: int, dilation: int, norm: int
) -> tuple[Tensor, Tensor]:
    """Return the gradients of embedding and hardness, for weights that are not normalised."""
    result = torch.empty_like(embedding, requires_grad=False)
    threads = torch.get_num_threads()
    to_hardness = _kernels.kernels().affinity_weights_backward(
        grad.detach(), embedding.detach(), hardness.item(), size, dilation, norm, threads, result
    )
    return result, hardness.new_tensor(to_hardness)
