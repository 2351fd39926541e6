"""`local_filter` on a GPU.

Passes in either direction: a program keeps a block of channels of a block of pixels in registers and walks the window,
so that one load of a weight serves them all. The sum of the weights is added up on the way: cheaper than loading it.
Scores of passes that are not kept for a gradient lie packed in between, see `triton_packed.py`.
Gradient of the weights: one launch for all passes. A program keeps a block of pixels times up to 16 neighbours and
walks the channels of every pass, so that the large result is written once.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._layout import laid_out_states
from crispseg.ops._local_filter.triton_packed import PACK, empty_packed, run_packed_pass
from crispseg.ops._triton import (
    WIDE,
    address,
    inside,
    laid_out_like,
    launch,
    neighbour_block,
    neighbours,
    pixel_block,
    program,
    rows_in_memory,
    shift,
    triton_dtype,
)
from crispseg.precision import at_least_float32


def local_filter(
    scores: Tensor, weights: Tensor, size: int, dilation: int, passes: int, normalize: bool, learns: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return `crispseg.ops.local_filter`, the sums of the weights and, if these learn, the scores of every pass."""
    weights, wide = rows_in_memory(weights), at_least_float32(scores, weights)
    batch, _, height, width = scores.shape
    sums = scores.new_zeros((batch, 1, height, width), dtype=wide)
    if learns:
        states = scores.new_empty((passes + 1, *scores.shape), dtype=wide)
        states[0].copy_(scores)
        for i in range(passes):
            total = sums if i == 0 else None
            _run_pass(states[i], weights, states[i + 1], total, size, dilation, normalize=normalize)
        return torch.empty_like(scores).copy_(states[-1]), sums, laid_out_states(states)
    given, result = rows_in_memory(scores), scores.new_empty(scores.shape)
    if passes == 1:
        _run_pass(given, weights, result, sums, size, dilation, normalize=normalize)
    else:
        packed = [empty_packed(scores, wide) for _ in range(2)]
        _run_pass(given, weights, packed[0], sums, size, dilation, normalize=normalize)
        for i in range(1, passes - 1):
            run_packed_pass(packed[(i - 1) % 2], weights, packed[i % 2], size, dilation, normalize=normalize)
        run_packed_pass(packed[passes % 2], weights, result, size, dilation, normalize=normalize)
    return laid_out_like(result, scores), sums, scores.new_empty(0, dtype=wide)


def local_filter_backward(
    grad: Tensor, weights: Tensor, sums: Tensor, states: Tensor, size: int, dilation: int, passes: int, learns: bool
) -> tuple[Tensor, Tensor]:
    """Return the gradients of the scores, and of the weights if they learn, which need those of every pass."""
    given, weights = weights, rows_in_memory(weights)
    kept = passes if learns else min(passes, 2)
    grads = grad.new_empty((kept, *grad.shape), dtype=sums.dtype)
    torch.div(grad, sums.masked_fill(sums == 0, 1), out=grads[(passes - 1) % kept])
    for i in reversed(range(1, passes)):
        arrived, target = grads[i % kept], grads[(i - 1) % kept]
        _run_pass(arrived, weights, target, sums, size, dilation, normalize=True, transposed=True)
    to_scores = grad.new_empty(grad.shape)
    _run_pass(grads[0], weights, to_scores, None, size, dilation, normalize=False, transposed=True)
    if not learns:
        return laid_out_like(to_scores, grad), weights.new_empty(0)
    states = states[:, :, : grad.shape[1]].contiguous()
    to_weights = _to_weights(grads, states, sums, weights, size, dilation)
    return laid_out_like(to_scores, grad), laid_out_like(to_weights, given)


def _run_pass(
    scores: Tensor,
    weights: Tensor,
    result: Tensor,
    total: Tensor | None,
    size: int,
    dilation: int,
    *,
    normalize: bool,
    transposed: bool = False,
) -> None:
    """Run one pass, or its transpose, to (N, C, H, W) or to packed scores.

    `total` holds the sums of the weights, by which the transpose divides.
    """
    batch, channels, height, width = scores.shape
    packed = result.ndim > scores.ndim
    stored = PACK.value * result.shape[1] if packed else channels  # unused lanes of a pack hold zeros
    block, blocks = _channel_block(channels), triton.cdiv(height * width, WIDE)
    parts = triton.cdiv(stored, block)
    launch(
        _pass,
        batch * blocks * parts,
        scores,
        weights,
        total,
        result,
        *scores.stride()[:3],
        *weights.stride()[:3],
        channels,
        stored,
        height,
        width,
        blocks,
        SIZE=size,
        DILATION=dilation,
        TRANSPOSED=transposed,
        NORMALIZE=normalize,
        PACKED=packed,
        ACC=triton_dtype(at_least_float32(scores, weights)),
        PARTS=parts,
        BC=block,
        BX=WIDE,
    )


def _to_weights(grads: Tensor, states: Tensor, sums: Tensor, weights: Tensor, size: int, dilation: int) -> Tensor:
    passes, batch, channels, height, width = grads.shape
    result = weights.new_empty(weights.shape)
    block, warps = neighbour_block(size * size)
    blocks, parts = triton.cdiv(height * width, WIDE), triton.cdiv(size * size, block)
    launch(
        _weights_backward,
        batch * blocks * parts,
        grads,
        states,
        sums,
        result,
        passes,
        batch,
        channels,
        height,
        width,
        blocks,
        dilation,
        SIZE=size,
        ACC=triton_dtype(grads.dtype),
        PARTS=parts,
        BK=block,
        BX=WIDE,
        num_warps=warps,
    )
    return result


def _channel_block(channels: int) -> int:
    """Return the channels of a program, 1 to 16, that load least; each block and neighbour loads two extra values."""
    return min((16, 8, 4, 2, 1), key=lambda block: triton.cdiv(channels, block) * (block + 2))


@triton.jit
def _pass(
    p_scores,
    p_weights,
    p_total,
    p_out,
    stride_n,
    stride_channel,
    stride_row,
    weights_stride_n,
    weights_stride_k,
    weights_stride_row,
    channels,
    stored,
    height,
    width,
    blocks,
    SIZE: tl.constexpr,
    DILATION: tl.constexpr,
    TRANSPOSED: tl.constexpr,
    NORMALIZE: tl.constexpr,
    PACKED: tl.constexpr,
    ACC: tl.constexpr,
    PARTS: tl.constexpr,
    BC: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, i_part = program(blocks, PARTS)
    i_row, i_column = pixel_block(i_block, width, BX)  # [BX]
    i_channel = (i_part * BC + tl.arange(0, BC)).to(tl.int64)  # [BC]
    m_pixel = i_row < height  # [BX]
    m_channel = (i_channel < channels)[:, None]  # [BC, 1]
    plane = tl.cast(height, tl.int64) * width
    o_pixel = address(i_row, i_column, width)  # [BX]
    p_channel = p_scores + i_n * stride_n + (i_channel * stride_channel)[:, None]  # [BC, 1]
    p_weights += i_n * weights_stride_n
    b_sum = tl.zeros([BC, BX], ACC)
    b_total = tl.zeros([BX], ACC)
    for i_down in range(SIZE):
        # One row of the window at a time: its positions differ by a constant, so one address serves them all.
        i_there = i_row + (i_down - SIZE // 2) * DILATION  # [BX]
        m_row = m_pixel & (i_there >= 0) & (i_there < height)  # [BX]
        i_first = i_column - SIZE // 2 * DILATION  # [BX]
        p_score = p_channel + address(i_there, i_first, stride_row)[None, :]  # [BC, BX]
        if TRANSPOSED:
            # The neighbour weights this pixel by its entry for the opposite offset.
            i_k = SIZE * SIZE - 1 - i_down * SIZE
            p_weight = p_weights + address(i_there, i_first, weights_stride_row)  # [BX]
        else:
            i_k = i_down * SIZE
            p_weight = p_weights + address(i_row, i_column, weights_stride_row)  # [BX]
        p_weight += tl.cast(i_k, tl.int64) * weights_stride_k
        for i_right in tl.static_range(SIZE):
            i_across = i_first + i_right * DILATION  # [BX]
            m_pair = m_row & (i_across >= 0) & (i_across < width)  # [BX]
            b_weight = tl.load(p_weight, m_pair, 0.0).to(ACC)  # [BX]
            m_score = m_channel & m_pair[None, :]  # [BC, BX]
            b_sum += b_weight[None, :] * tl.load(p_score + i_right * DILATION, m_score, 0.0).to(ACC)
            b_total += b_weight
            if TRANSPOSED:
                p_weight += DILATION - weights_stride_k
            else:
                p_weight += weights_stride_k
    if NORMALIZE:
        if TRANSPOSED:
            b_total = tl.load(p_total + i_n * plane + o_pixel, m_pixel, 1.0)
        elif p_total is not None:
            # Every part of the channels stores the same sums.
            tl.store(p_total + i_n * plane + o_pixel, b_total, m_pixel)
        b_sum /= tl.where(b_total == 0, 1.0, b_total)[None, :]
    if PACKED:
        i_pack = i_n * (stored // PACK) + i_channel // PACK  # [BC]
        o_out = (i_pack * plane * PACK + i_channel % PACK)[:, None] + PACK * o_pixel[None, :]  # [BC, BX]
    else:
        o_out = ((i_n * stored + i_channel) * plane)[:, None] + o_pixel[None, :]  # [BC, BX]
    tl.store(p_out + o_out, b_sum.to(p_out.dtype.element_ty), (i_channel < stored)[:, None] & m_pixel[None, :])


@triton.jit
def _weights_backward(
    p_grads,
    p_states,
    p_total,
    p_out,
    passes,
    batch,
    channels,
    height,
    width,
    blocks,
    dilation,
    SIZE: tl.constexpr,
    ACC: tl.constexpr,
    PARTS: tl.constexpr,
    BK: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, i_part = program(blocks, PARTS)
    i_row, i_column = pixel_block(i_block, width, BX)  # [BX]
    i_k, o_row, o_column = neighbours(i_part, dilation, SIZE, BK)  # [BK]
    m_pixel = i_row < height  # [BX]
    m_window = (i_k < SIZE * SIZE)[:, None] & m_pixel[None, :]  # [BK, BX]
    i_there = i_row[None, :] + o_row[:, None]  # [BK, BX]
    i_across = i_column[None, :] + o_column[:, None]  # [BK, BX]
    m_pair = m_window & inside(i_there, i_across, height, width)  # [BK, BX]
    plane = tl.cast(height, tl.int64) * width
    o_pixel = address(i_row, i_column, width)  # [BX]
    o_neighbour = o_pixel[None, :] + shift(o_row, o_column, width)[:, None]  # [BK, BX]
    m_divided = m_pixel & (tl.load(p_total + i_n * plane + o_pixel, m_pixel, 0.0) != 0)  # [BX]
    b_sum = tl.zeros([BK, BX], ACC)
    for i_pass in range(passes):
        o_map = (tl.cast(i_pass, tl.int64) * batch + i_n) * channels * plane
        for _ in range(channels):
            b_grad = tl.load(p_grads + o_map + o_pixel, m_pixel, 0.0)  # [BX]
            b_score = tl.load(p_states + o_map + o_neighbour, m_pair, 0.0)  # [BK, BX]
            # The next state is the mean of these scores after the division.
            p_mean = p_states + o_map + batch * (channels * plane) + o_pixel  # [BX]
            b_score -= tl.load(p_mean, m_divided, 0.0)[None, :]
            b_sum += b_grad[None, :] * b_score
            o_map += plane
    o_out = ((i_n * (SIZE * SIZE) + i_k) * plane)[:, None] + o_pixel[None, :]  # [BK, BX]
    tl.store(p_out + o_out, tl.where(m_pair, b_sum, 0.0).to(p_out.dtype.element_ty), m_window)
