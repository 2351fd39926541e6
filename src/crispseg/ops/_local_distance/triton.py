"""`local_distance` on a GPU.

Forward: a program keeps the distances of a block of pixels to up to 16 neighbours in registers and walks the channels
once. At stride 1 it works out half of the window and stores every distance at both of its pixels.
Backward: a program owns all channels of a block of pixels and walks the window, so that it reads a neighbour once, both
for their distance and for the gradient, and writes its pixels once: no atomics, the same bits every time.
"""

import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._layout import laid_out
from crispseg.ops._triton import (
    WIDE,
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
from crispseg.precision import at_least_float32


def local_distance(embedding: Tensor, size: int, dilation: int, norm: int, stride: int) -> Tensor:
    """See `crispseg.ops.local_distance`."""
    embedding = rows_in_memory(embedding)
    batch, channels, height, width = embedding.shape
    rows, columns = -(-height // stride), -(-width // stride)
    result = embedding.new_empty((batch, size * size, rows, columns))
    count = size * size // 2 + 1 if stride == 1 else size * size
    block, warps = distance_block(count)
    blocks, parts = triton.cdiv(rows * columns, WIDE), triton.cdiv(count, block)
    launch(
        _forward,
        batch * blocks * parts,
        embedding,
        result,
        *embedding.stride()[:3],
        channels,
        height,
        width,
        rows,
        columns,
        blocks,
        dilation,
        SIZE=size,
        STRIDE=stride,
        COUNT=count,
        NORM=norm,
        ACC=triton_dtype(at_least_float32(embedding)),
        PARTS=parts,
        BK=block,
        BX=WIDE,
        num_warps=warps,
    )
    return laid_out(result)


def local_distance_backward(
    grad: Tensor, embedding: Tensor, size: int, dilation: int, norm: int, stride: int
) -> Tensor:
    """Return the gradient of the embedding, in its shape and dtype."""
    given, grad, embedding = embedding, rows_in_memory(grad), rows_in_memory(embedding)
    batch, channels, height, width = embedding.shape
    result = embedding.new_empty(embedding.shape)
    tile, block, warps = channel_tile(channels)
    blocks = triton.cdiv(height * width, block)
    launch(
        _backward,
        batch * blocks,
        grad,
        embedding,
        result,
        *grad.stride()[:3],
        *embedding.stride()[:3],
        channels,
        height,
        width,
        blocks,
        dilation,
        SIZE=size,
        STRIDE=stride,
        NORM=norm,
        ACC=triton_dtype(at_least_float32(embedding)),
        BD=tile,
        BX=block,
        num_warps=warps,
    )
    return laid_out_like(result, given)


@triton.jit
def _forward(
    p_image,
    p_out,
    stride_n,
    stride_channel,
    stride_row,
    channels,
    height,
    width,
    rows,
    columns,
    blocks,
    dilation,
    SIZE: tl.constexpr,
    STRIDE: tl.constexpr,
    COUNT: tl.constexpr,
    NORM: tl.constexpr,
    ACC: tl.constexpr,
    PARTS: tl.constexpr,
    BK: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, i_part = program(blocks, PARTS)
    i_row, i_column = pixel_block(i_block, columns, BX)  # [BX], on the grid of centres
    i_k, o_row, o_column = neighbours(i_part, dilation, SIZE, BK)  # [BK]
    m_centre = i_row < rows  # [BX]
    m_window = (i_k < COUNT)[:, None] & m_centre[None, :]  # [BK, BX]
    i_there = (i_row * STRIDE)[None, :] + o_row[:, None]  # [BK, BX], in the image
    i_across = (i_column * STRIDE)[None, :] + o_column[:, None]  # [BK, BX]
    m_pair = m_window & inside(i_there, i_across, height, width)  # [BK, BX]
    o_centre = address(i_row * STRIDE, i_column * STRIDE, stride_row)  # [BX]
    o_neighbour = o_centre[None, :] + shift(o_row, o_column, stride_row)[:, None]  # [BK, BX]
    b_distance = distances(
        p_image + i_n * stride_n, o_centre, o_neighbour, m_centre, m_pair, channels, stride_channel, NORM, ACC
    )
    store_pairs(
        p_out,
        b_distance,
        m_window,
        m_pair,
        i_n,
        i_k,
        i_row,
        i_column,
        o_row,
        o_column,
        rows,
        columns,
        float("inf"),
        SIZE,
        BOTH=STRIDE == 1,
    )


@triton.jit
def _backward(
    p_grad,
    p_image,
    p_out,
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
    STRIDE: tl.constexpr,
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
    m_centre = m_pixel & (i_row % STRIDE == 0) & (i_column % STRIDE == 0)  # [BX]
    o_grad = address(i_row // STRIDE, i_column // STRIDE, grad_stride_row)  # [BX]
    p_grad += i_n * grad_stride_n
    p_channel = p_image + i_n * stride_n + (i_channel * stride_channel)[:, None]  # [BD, 1]
    p_centre = p_channel + address(i_row, i_column, stride_row)[None, :]  # [BD, BX]
    b_centre = tl.load(p_centre, m_channel & m_pixel[None, :], 0.0).to(ACC)  # [BD, BX]
    b_sum = tl.zeros([BD, BX], ACC)
    for i_k in range(SIZE * SIZE):
        i_there = i_row + (i_k // SIZE - SIZE // 2) * dilation  # [BX]
        i_across = i_column + (i_k % SIZE - SIZE // 2) * dilation  # [BX]
        m_inside = m_pixel & inside(i_there, i_across, height, width)  # [BX]
        m_there = m_inside & (i_there % STRIDE == 0) & (i_across % STRIDE == 0)  # [BX]
        # Every pair has two entries: one of this pixel and, at K - 1 - k, one of the neighbour.
        p_ours = p_grad + tl.cast(i_k, tl.int64) * grad_stride_k + o_grad  # [BX]
        o_theirs = address(i_there // STRIDE, i_across // STRIDE, grad_stride_row)  # [BX]
        p_theirs = p_grad + tl.cast(SIZE * SIZE - 1 - i_k, tl.int64) * grad_stride_k + o_theirs  # [BX]
        b_grad = tl.load(p_ours, m_centre & m_inside, 0.0).to(ACC)  # [BX]
        b_grad += tl.load(p_theirs, m_there, 0.0).to(ACC)
        m_pair = m_channel & (m_there | (m_centre & m_inside))[None, :]  # [BD, BX]
        p_neighbour = p_channel + address(i_there, i_across, stride_row)[None, :]  # [BD, BX]
        b_step = b_centre - tl.load(p_neighbour, m_pair, 0.0).to(ACC)  # [BD, BX]
        b_factor = over_length(b_grad, b_grad if NORM == 1 else length(b_step, NORM), NORM)  # [BX]
        b_sum += direction(b_step, NORM, ACC) * b_factor[None, :]
    o_out = (i_n * channels + i_channel)[:, None] * (tl.cast(height, tl.int64) * width)  # [BD, 1]
    p_pixel = p_out + o_out + address(i_row, i_column, width)[None, :]  # [BD, BX]
    tl.store(p_pixel, b_sum.to(p_out.dtype.element_ty), m_channel & m_pixel[None, :])
