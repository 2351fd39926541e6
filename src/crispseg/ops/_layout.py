"""How values of pairs lie in memory."""

import torch
from torch import Tensor


def empty_pairs(like: Tensor, count: int, height: int, width: int) -> Tensor:
    """An uninitialised (N, K, H, W) for `count` neighbours of every pixel, with batch, dtype and device of a map.

    On a CPU the neighbours of a pixel lie side by side (channels-last), which is how `local_filter` reads them there;
    on other devices every neighbour has a plane, so that pixels side by side are read together.
    """
    layout = torch.channels_last if like.device.type == "cpu" else torch.contiguous_format
    shape = (like.shape[0], count, height, width)
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=layout)


def laid_out(pairs: Tensor) -> Tensor:
    """Values of pairs in that layout; copied where they lie otherwise."""
    wanted = empty_pairs(pairs, *pairs.shape[1:])
    return pairs if pairs.stride() == wanted.stride() else wanted.copy_(pairs)
