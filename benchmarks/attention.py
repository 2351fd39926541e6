"""Attention in the window of a filter, by NATTEN and by FlexAttention: what else a GPU has for sums over neighbours.

Both take the softmax of dot products where the filter takes L1 distances, and both compute their weights anew in every
pass. The window, the channels and the passes are those of the filter, so the times compare, not the results.
"""

from functools import cache, lru_cache
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg import Window

if TYPE_CHECKING:
    from torch.nn.attention.flex_attention import BlockMask

NATTEN, FLEX = "NATTEN", "FlexAttention"
PACKAGES = {NATTEN: "natten", FLEX: "torch.nn.attention.flex_attention"}
_BLOCK = 128
"""Pixels of a block of FlexAttention."""


def natten_filter(embedding: Tensor, scores: Tensor, window: Window, passes: int) -> Tensor:
    """Filter (N, C, H, W) scores by NATTEN's attention among (N, D, H, W) embeddings."""
    from natten.functional import na2d  # noqa: PLC0415

    channels = _multiple(max(embedding.shape[1], scores.shape[1]), 8)
    keys, values = (_padded(each, channels).movedim(1, -1).unsqueeze(-2).contiguous() for each in (embedding, scores))
    for _ in range(passes):
        values = na2d(keys, keys, values, kernel_size=(window.size,) * 2, dilation=(window.dilation,) * 2)
    return values.squeeze(-2).movedim(-1, 1)[:, : scores.shape[1]]


def flex_filter(embedding: Tensor, scores: Tensor, window: Window, passes: int) -> Tensor:
    """Filter (N, C, H, W) scores by FlexAttention among (N, D, H, W) embeddings."""
    from torch.nn.attention.flex_attention import flex_attention  # noqa: PLC0415 - PyTorch 2.5 or newer

    height, width = embedding.shape[-2:]
    mask = neighbour_mask(height, width, window, embedding.device)
    attend = _compiled() if embedding.is_cuda else flex_attention
    power = max(16, 1 << (max(embedding.shape[1], scores.shape[1]) - 1).bit_length())
    keys, values = (_padded(each, power).flatten(2).mT.unsqueeze(1).contiguous() for each in (embedding, scores))
    for _ in range(passes):
        values = attend(keys, keys, values, block_mask=mask)
    filtered: Tensor = values.squeeze(1).mT.reshape(len(scores), -1, height, width)
    return filtered[:, : scores.shape[1]]


@lru_cache(maxsize=8)
def neighbour_mask(height: int, width: int, window: Window, device: torch.device) -> "BlockMask":
    """Return which pixels attend to which, in row-major order, for FlexAttention."""
    from torch.nn.attention.flex_attention import BlockMask  # noqa: PLC0415 - PyTorch 2.5 or newer

    blocks, counts = _neighbour_blocks(height, width, window, device)
    # Tensors, so that one compiled kernel serves all windows.
    columns, radius, dilation = (
        torch.tensor(number, device=device) for number in (width, window.radius, window.dilation)
    )

    def within(batch: Tensor, head: Tensor, one: Tensor, other: Tensor) -> Tensor:
        down, right = one // columns - other // columns, one % columns - other % columns
        near = (down.abs() <= radius) & (right.abs() <= radius)
        return near & (down % dilation == 0) & (right % dilation == 0)

    pixels = height * width
    return BlockMask.from_kv_blocks(counts, blocks, BLOCK_SIZE=_BLOCK, mask_mod=within, seq_lengths=(pixels, pixels))


def _neighbour_blocks(height: int, width: int, window: Window, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return which blocks of pixels hold neighbours of each block's pixels: (1, 1, B, B) indices and (1, 1, B) counts.

    A table of all pairs of pixels, from which FlexAttention derives them otherwise, does not fit into memory.
    """
    pixels, radius = height * width, window.radius
    first = torch.arange(0, pixels, _BLOCK, device=device)
    last = (first + _BLOCK - 1).clamp(max=pixels - 1)
    spans = []
    for down in range(-radius, radius + 1, window.dilation):
        low, high = (first + down * width - radius, last + down * width + radius)
        low, high = low.clamp(0, pixels - 1) // _BLOCK, high.clamp(0, pixels - 1) // _BLOCK
        most = int((high - low).max()) + 1
        spans.append((low[:, None] + torch.arange(most, device=device)).minimum(high[:, None]))
    found = torch.cat(spans, 1).sort(1).values
    new = torch.ones_like(found, dtype=torch.bool)
    new[:, 1:] = found[:, 1:] != found[:, :-1]
    order = (~new).to(torch.int8).sort(dim=1, stable=True).indices
    counts = new.sum(1)
    blocks = found.gather(1, order)
    blocks = F.pad(blocks, (0, max(0, len(first) - blocks.shape[1])))[:, : len(first)]
    return blocks[None, None].int(), counts[None, None].int()


@cache
def _compiled():  # type: ignore[no-untyped-def]  # noqa: ANN202 - as FlexAttention types it
    from torch.nn.attention.flex_attention import flex_attention  # noqa: PLC0415 - PyTorch 2.5 or newer

    return torch.compile(flex_attention, dynamic=False)


def _padded(values: Tensor, channels: int) -> Tensor:
    return F.pad(values, (0, 0, 0, 0, 0, channels - values.shape[1]))


def _multiple(number: int, of: int) -> int:
    return -(-number // of) * of
