"""`affinity_weights` on a GPU: distances become weights in registers and are never stored.

Forward: as in `local_distance`, a program keeps a block of pixels times up to 16 neighbours; to normalise, it keeps the
whole window instead, of fewer pixels. Backward: a program owns all channels of a block of pixels, walks the window, and
works the weights out again; each leaves one sum for the hardness. The hardness is read on the device.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._layout import laid_out
from crispseg.ops._triton import (
    WIDE,
    accumulator,
    address,
    channel_tile,
    direction,
    distance_block,
    distances,
    inside,
    laid_out_like,
    launch,
    length,
    neighbours,
    over_length,
    pixel_block,
    program,
    rows_in_memory,
    shift,
    store_pairs,
    triton_dtype,
)


def affinity_weights(
    embedding: Tensor, hardness: Tensor, size: int, dilation: int, norm: int, normalize: bool
) -> Tensor:
    """See `crispseg.ops.affinity_weights`; `normalize` divides by the sum over the window."""
    embedding = rows_in_memory(embedding)
    batch, channels, height, width = embedding.shape
    result = embedding.new_empty((batch, size * size, height, width))
    count = size * size if normalize else size * size // 2 + 1
    block, pixels, warps = _tile(count, normalize=normalize)
    blocks, parts = triton.cdiv(height * width, pixels), triton.cdiv(count, block)
    launch(
        _forward,
        batch * blocks * parts,
        embedding,
        hardness,
        result,
        *embedding.stride()[:3],
        channels,
        height,
        width,
        blocks,
        dilation,
        SIZE=size,
        COUNT=count,
        NORM=norm,
        NORMALIZE=normalize,
        ACC=triton_dtype(accumulator(embedding)),
        PARTS=parts,
        BK=block,
        BX=pixels,
        num_warps=warps,
    )
    return laid_out(result)


def affinity_weights_backward(
    grad: Tensor, embedding: Tensor, hardness: Tensor, size: int, dilation: int, norm: int
) -> tuple[Tensor, Tensor]:
    """Return the gradients of embedding and hardness, for weights that are not normalised."""
    given, grad, embedding = embedding, rows_in_memory(grad), rows_in_memory(embedding)
    batch, channels, height, width = embedding.shape
    result = embedding.new_empty(embedding.shape)
    tile, block, warps = channel_tile(channels)
    blocks = triton.cdiv(height * width, block)
    sums = torch.empty(batch * blocks, dtype=torch.float64, device=embedding.device)
    launch(
        _backward,
        batch * blocks,
        grad,
        embedding,
        hardness,
        result,
        sums,
        *grad.stride()[:3],
        *embedding.stride()[:3],
        channels,
        height,
        width,
        blocks,
        dilation,
        SIZE=size,
        NORM=norm,
        ACC=triton_dtype(accumulator(embedding)),
        BD=tile,
        BX=block,
        num_warps=warps,
    )
    return laid_out_like(result, given), sums.sum().to(hardness.dtype)


def _tile(count: int, *, normalize: bool) -> tuple[int, int, int]:
    """Return neighbours, pixels and warps of a program; to normalise, it holds the whole window: 16 values a thread."""
    if not normalize:
        block, warps = distance_block(count)
        return block, WIDE, warps
    block = triton.next_power_of_2(count)
    return block, min(WIDE, max(8, 4096 // block)), 8


@triton.jit
def _weight(b_distance, b_hardness):
    """Return exp(-hardness · distance), 0 at infinite distance for any sign of the hardness."""
    return tl.where(b_distance == float("inf"), 0.0, tl.exp(-b_hardness * b_distance))


@triton.jit
def _forward(
    p_image,
    p_hardness,
    p_out,
    stride_n,
    stride_channel,
    stride_row,
    channels,
    height,
    width,
    blocks,
    dilation,
    SIZE: tl.constexpr,
    COUNT: tl.constexpr,
    NORM: tl.constexpr,
    NORMALIZE: tl.constexpr,
    ACC: tl.constexpr,
    PARTS: tl.constexpr,
    BK: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, i_part = program(blocks, PARTS)
    i_row, i_column = pixel_block(i_block, width, BX)  # [BX]
    i_k, o_row, o_column = neighbours(i_part, dilation, SIZE, BK)  # [BK]
    m_centre = i_row < height  # [BX]
    m_window = (i_k < COUNT)[:, None] & m_centre[None, :]  # [BK, BX]
    i_there = i_row[None, :] + o_row[:, None]  # [BK, BX]
    i_across = i_column[None, :] + o_column[:, None]  # [BK, BX]
    m_pair = m_window & inside(i_there, i_across, height, width)  # [BK, BX]
    o_centre = address(i_row, i_column, stride_row)  # [BX]
    o_neighbour = o_centre[None, :] + shift(o_row, o_column, stride_row)[:, None]  # [BK, BX]
    b_distance = distances(
        p_image + i_n * stride_n, o_centre, o_neighbour, m_centre, m_pair, channels, stride_channel, NORM, ACC
    )
    b_weight = _weight(b_distance, tl.load(p_hardness).to(ACC))  # [BK, BX]
    if NORMALIZE:
        b_total = tl.sum(tl.where(m_pair, b_weight, 0.0), 0)  # [BX]
        # Lanes beyond the image have no weights; they are not stored.
        b_weight /= tl.where(m_centre, b_total, 1.0)[None, :]
    store_pairs(
        p_out,
        b_weight,
        m_window,
        m_pair,
        i_n,
        i_k,
        i_row,
        i_column,
        o_row,
        o_column,
        height,
        width,
        0.0,
        SIZE,
        BOTH=not NORMALIZE,
    )


@triton.jit
def _backward(
    p_grad,
    p_image,
    p_hardness,
    p_out,
    p_sums,
    grad_stride_n,
    grad_stride_k,
    grad_stride_row,
    stride_n,
    stride_channel,
    stride_row,
    channels,
    height,
    width,
    blocks,
    dilation,
    SIZE: tl.constexpr,
    NORM: tl.constexpr,
    ACC: tl.constexpr,
    BD: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, _ = program(blocks, 1)
    i_row, i_column = pixel_block(i_block, width, BX)  # [BX]
    i_channel = tl.arange(0, BD).to(tl.int64)  # [BD]
    m_pixel = i_row < height  # [BX]
    m_channel = (i_channel < channels)[:, None]  # [BD, 1]
    p_grad += i_n * grad_stride_n
    o_grad = address(i_row, i_column, grad_stride_row)  # [BX]
    p_channel = p_image + i_n * stride_n + (i_channel * stride_channel)[:, None]  # [BD, 1]
    p_centre = p_channel + address(i_row, i_column, stride_row)[None, :]  # [BD, BX]
    b_centre = tl.load(p_centre, m_channel & m_pixel[None, :], 0.0).to(ACC)  # [BD, BX]
    b_hardness = tl.load(p_hardness).to(ACC)
    b_sum = tl.zeros([BD, BX], ACC)
    b_slope = tl.zeros([BX], ACC)  # of the hardness
    for i_k in range(SIZE * SIZE):
        i_there = i_row + (i_k // SIZE - SIZE // 2) * dilation  # [BX]
        i_across = i_column + (i_k % SIZE - SIZE // 2) * dilation  # [BX]
        m_pair = m_pixel & inside(i_there, i_across, height, width)  # [BX]
        # Every pair has two entries: one of this pixel and, at K - 1 - k, one of the neighbour.
        p_ours = p_grad + tl.cast(i_k, tl.int64) * grad_stride_k + o_grad  # [BX]
        o_theirs = address(i_there, i_across, grad_stride_row)  # [BX]
        p_theirs = p_grad + tl.cast(SIZE * SIZE - 1 - i_k, tl.int64) * grad_stride_k + o_theirs  # [BX]
        b_ours = tl.load(p_ours, m_pair, 0.0).to(ACC)  # [BX]
        b_theirs = tl.load(p_theirs, m_pair, 0.0).to(ACC)  # [BX]
        p_neighbour = p_channel + address(i_there, i_across, stride_row)[None, :]  # [BD, BX]
        b_neighbour = tl.load(p_neighbour, m_channel & m_pair[None, :], 0.0).to(ACC)  # [BD, BX]
        b_step = b_centre - b_neighbour  # [BD, BX]
        b_distance = length(b_step, NORM)  # [BX]
        b_weight = _weight(b_distance, b_hardness)  # [BX]
        m_near = m_pair & (b_distance != float("inf"))  # [BX]
        b_slope -= tl.where(m_near, b_distance * b_weight * b_ours, 0.0)
        b_grad = tl.where(m_near, -b_hardness * b_weight * (b_ours + b_theirs), 0.0)  # [BX]
        b_sum += direction(b_step, NORM, ACC) * over_length(b_grad, b_distance, NORM)[None, :]
    o_out = (i_n * channels + i_channel)[:, None] * (tl.cast(height, tl.int64) * width)  # [BD, 1]
    p_pixel = p_out + o_out + address(i_row, i_column, width)[None, :]  # [BD, BX]
    tl.store(p_pixel, b_sum.to(p_out.dtype.element_ty), m_channel & m_pixel[None, :])
    tl.store(p_sums + tl.program_id(0), tl.sum(b_slope).to(tl.float64))
