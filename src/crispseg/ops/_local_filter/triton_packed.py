"""A pass of `local_filter` on a GPU over packed scores: a load takes four adjacent channels of a pixel.

A load of four bytes for each pixel of a warp, none of them aligned to what the cache gives at once, takes two turns for
128 bytes; these take five for 512.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._triton import WIDE, address, launch, pixel_block, program, triton_dtype
from crispseg.precision import at_least_float32

PACK = tl.constexpr(4)
"""The number of adjacent channels: 16 bytes of float32, the most that a load takes."""


def empty_packed(scores: Tensor, dtype: torch.dtype) -> Tensor:
    """Return uninitialised packed scores, (N, ⌈C / PACK⌉, H, W, PACK), for (N, C, H, W) scores."""
    batch, channels, height, width = scores.shape
    return scores.new_empty((batch, triton.cdiv(channels, PACK.value), height, width, PACK.value), dtype=dtype)


def run_packed_pass(
    scores: Tensor, weights: Tensor, result: Tensor, size: int, dilation: int, *, normalize: bool
) -> None:
    """Run one pass over packed scores, to packed scores or to (N, C, H, W)."""
    batch, packs, height, width, _ = scores.shape
    blocks = triton.cdiv(height * width, WIDE)
    launch(
        _packed_pass,
        batch * blocks * packs,
        scores,
        weights,
        result,
        *weights.stride()[:3],
        result.shape[1],
        height,
        width,
        blocks,
        SIZE=size,
        DILATION=dilation,
        NORMALIZE=normalize,
        PACKED=result.ndim == scores.ndim,
        ACC=triton_dtype(at_least_float32(scores, weights)),
        PACKS=packs,
        BX=WIDE,
    )


@triton.jit
def _packed_pass(
    p_scores,
    p_weights,
    p_out,
    weights_stride_n,
    weights_stride_k,
    weights_stride_row,
    channels,
    height,
    width,
    blocks,
    SIZE: tl.constexpr,
    DILATION: tl.constexpr,
    NORMALIZE: tl.constexpr,
    PACKED: tl.constexpr,
    ACC: tl.constexpr,
    PACKS: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, i_pack = program(blocks, PACKS)
    i_row, i_column = pixel_block(i_block, width, BX)  # [BX]
    i_lane = tl.arange(0, PACK)[None, :]  # [1, PACK]
    m_pixel = i_row < height  # [BX]
    plane = tl.cast(height, tl.int64) * width
    p_pack = p_scores + (i_n * PACKS + i_pack) * plane * PACK + i_lane  # [1, PACK]
    p_weight = p_weights + i_n * weights_stride_n + address(i_row, i_column, weights_stride_row)  # [BX]
    b_sum = tl.zeros([BX, PACK], ACC)
    b_total = tl.zeros([BX], ACC)
    for i_down in range(SIZE):
        i_there = i_row + (i_down - SIZE // 2) * DILATION  # [BX]
        i_first = i_column - SIZE // 2 * DILATION  # [BX]
        m_row = m_pixel & (i_there >= 0) & (i_there < height)  # [BX]
        p_score = p_pack + ((i_there.to(tl.int64) * width + i_first) * PACK)[:, None]  # [BX, PACK]
        for i_right in tl.static_range(SIZE):
            i_across = i_first + i_right * DILATION  # [BX]
            m_pair = m_row & (i_across >= 0) & (i_across < width)  # [BX]
            b_weight = tl.load(p_weight, m_pair, 0.0).to(ACC)  # [BX]
            b_score = tl.load(p_score + i_right * DILATION * PACK, m_pair[:, None], 0.0).to(ACC)  # [BX, PACK]
            b_sum += b_weight[:, None] * b_score
            b_total += b_weight
            p_weight += weights_stride_k
    if NORMALIZE:
        b_sum /= tl.where(b_total == 0, 1.0, b_total)[:, None]
    o_pixel = (i_row.to(tl.int64) * width + i_column)[:, None]  # [BX, 1]
    if PACKED:
        p_result = p_out + ((i_n * PACKS + i_pack) * plane + o_pixel) * PACK + i_lane  # [BX, PACK]
        m_result = m_pixel[:, None]
    else:
        i_channel = i_pack * PACK + i_lane  # [1, PACK]
        p_result = p_out + (i_n * channels + i_channel) * plane + o_pixel  # [BX, PACK]
        m_result = m_pixel[:, None] & (i_channel < channels)
    tl.store(p_result, b_sum.to(p_out.dtype.element_ty), m_result)
