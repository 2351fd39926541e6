"""The memory layout of pair values and of scores between passes."""

import torch
from torch import Tensor
from torch.nn.functional import pad


def empty_pairs(like: Tensor, count: int, height: int, width: int, *, planar: bool = False) -> Tensor:
    """Return an uninitialised (N, K, H, W) for `count` neighbours of a pixel, with batch, dtype and device of a map.

    On a CPU the neighbours of a pixel lie side by side (channels-last), as the gradient of `local_filter` reads them,
    unless they are to be planar. A planar map has a plane for every neighbour, so that pixels side by side are read
    together; `local_filter` is faster with it where no gradient is asked for. On other devices it always is.
    """
    shape = (like.shape[0], count, height, width)
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=_pairs_layout(like.device, planar))


def _pairs_layout(device: torch.device, planar: bool) -> torch.memory_format:
    return torch.channels_last if device.type == "cpu" and not planar else torch.contiguous_format


def laid_out(pairs: Tensor, *, planar: bool = False) -> Tensor:
    """Return values of pairs in the layout of `empty_pairs`, copied if they are in another."""
    layout = _pairs_layout(pairs.device, planar)
    wanted = torch.empty(pairs.shape, device="meta", memory_format=layout)
    return pairs if pairs.stride() == wanted.stride() else pairs.clone(memory_format=layout)


def empty_states(scores: Tensor, passes: int, dtype: torch.dtype) -> Tensor:
    """Return an uninitialised (passes + 1, N, C', H, W) for scores before the first pass of a filter and after each.

    On a CPU the channels of a pixel lie side by side, and C' is the next multiple of 8 so that they are whole vectors;
    those beyond C are to be 0. On other devices C' is C.
    """
    batch, channels, height, width = scores.shape
    if scores.device.type != "cpu":
        return scores.new_empty((passes + 1, batch, channels, height, width), dtype=dtype)
    padded = channels + -channels % 8
    return scores.new_empty((passes + 1, batch, height, width, padded), dtype=dtype).movedim(-1, 2)


def laid_out_states(states: Tensor) -> Tensor:
    """Return (passes + 1, N, C, H, W) states in the layout of `empty_states`, copied if they are in another."""
    if states.device.type != "cpu":
        return states.contiguous()
    by_pixel = states.movedim(2, -1)
    missing = -by_pixel.shape[-1] % 8
    return (pad(by_pixel, (0, missing)) if missing else by_pixel).contiguous().movedim(-1, 2)
