"""The gradients of `affinity_weights` on a GPU.

A program owns all channels of a block of pixels, walks the window, and works the weights out again; each leaves one sum
for the hardness.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._affinity_weights.scores import empty_scaled, gradients_from_scaled
from crispseg.ops._triton import (
    address,
    channel_tile,
    direction,
    inside,
    laid_out_like,
    launch,
    magnitude,
    over_length,
    pixel_block,
    program,
    root,
    rows_in_memory,
    triton_dtype,
)
from crispseg.precision import at_least_float32


def affinity_weights_backward(
    grad: Tensor,
    embedding: Tensor,
    hardness: Tensor,
    scores: Tensor | None,
    score_weight: Tensor | None,
    size: int,
    dilation: int,
    norm: int,
) -> tuple[Tensor, ...]:
    """Return the gradients of embedding, hardness, scores and score weight, for weights that are not normalised."""
    given, grad, embedding = embedding, rows_in_memory(grad), rows_in_memory(embedding)
    batch, channels, height, width = embedding.shape
    more = 0 if scores is None else scores.shape[1]
    result, to_scaled = embedding.new_empty(embedding.shape), empty_scaled(embedding, scores)
    to_scaled = None if to_scaled is None else to_scaled.contiguous()
    _, block, warps = channel_tile(triton.next_power_of_2(max(channels, 1)) + more)
    blocks = triton.cdiv(height * width, block)
    sums = torch.empty(batch * blocks, dtype=torch.float64, device=embedding.device)
    launch(
        _backward,
        batch * blocks,
        grad,
        embedding,
        hardness,
        result,
        to_scaled,
        sums,
        *grad.stride()[:3],
        *embedding.stride()[:3],
        channels,
        *further(scores, score_weight),
        height,
        width,
        blocks,
        dilation,
        SIZE=size,
        NORM=norm,
        SCORED=scores is not None,
        ACC=triton_dtype(at_least_float32(embedding, scores)),
        BD=triton.next_power_of_2(max(channels, 1)),
        BC=triton.next_power_of_2(max(more, 1)),
        BX=block,
        num_warps=warps,
    )
    to_scores, to_weight = gradients_from_scaled(to_scaled, embedding, scores, score_weight)
    return laid_out_like(result, given), sums.sum().to(hardness.dtype), to_scores, to_weight


def further(scores: Tensor | None, score_weight: Tensor | None) -> tuple[Tensor | int | None, ...]:
    """Return what the kernels take of the scores: data, weight, strides and channels."""
    if scores is None:
        return None, None, 0, 0, 0, 0
    rows = rows_in_memory(scores)
    return rows, score_weight, *rows.stride()[:3], rows.shape[1]


@triton.jit
def weight(b_distance, b_hardness):
    """Return exp(-hardness · distance), 0 at infinite distance for any sign of the hardness."""
    return tl.where(b_distance == float("inf"), 0.0, tl.exp(-b_hardness * b_distance))


@triton.jit
def _tile(p_channel, i_row, i_column, stride_row, m_tile, ACC: tl.constexpr):
    """Return all channels of the pixels of a block, or of one neighbour of each."""
    return tl.load(p_channel + address(i_row, i_column, stride_row)[None, :], m_tile, 0.0).to(ACC)


@triton.jit
def _backward(
    p_grad,
    p_image,
    p_hardness,
    p_out,
    p_scaled_out,
    p_sums,
    grad_stride_n,
    grad_stride_k,
    grad_stride_row,
    stride_n,
    stride_channel,
    stride_row,
    channels,
    p_scores,
    p_score_weight,
    scores_stride_n,
    scores_stride_channel,
    scores_stride_row,
    score_channels,
    height,
    width,
    blocks,
    dilation,
    SIZE: tl.constexpr,
    NORM: tl.constexpr,
    SCORED: tl.constexpr,
    ACC: tl.constexpr,
    BD: tl.constexpr,
    BC: tl.constexpr,
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
    b_centre = _tile(p_channel, i_row, i_column, stride_row, m_channel & m_pixel[None, :], ACC)  # [BD, BX]
    b_hardness = tl.load(p_hardness).to(ACC)
    b_sum = tl.zeros([BD, BX], ACC)
    b_slope = tl.zeros([BX], ACC)  # of the hardness
    if SCORED:
        i_score = tl.arange(0, BC).to(tl.int64)  # [BC]
        m_score = (i_score < score_channels)[:, None]  # [BC, 1]
        p_score = p_scores + i_n * scores_stride_n + (i_score * scores_stride_channel)[:, None]  # [BC, 1]
        b_scale = tl.load(p_score_weight).to(ACC)
        b_here = _tile(p_score, i_row, i_column, scores_stride_row, m_score & m_pixel[None, :], ACC) * b_scale
        b_scaled = tl.zeros([BC, BX], ACC)
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
        b_step = b_centre - _tile(
            p_channel, i_there, i_across, stride_row, m_channel & m_pair[None, :], ACC
        )  # [BD, BX]
        b_length = tl.sum(magnitude(b_step, NORM), 0)  # [BX]
        if SCORED:
            m_there = m_score & m_pair[None, :]  # [BC, BX]
            b_there = _tile(p_score, i_there, i_across, scores_stride_row, m_there, ACC) * b_scale  # [BC, BX]
            b_length += tl.sum(magnitude(b_here - b_there, NORM), 0)
        b_distance = root(b_length, NORM)  # [BX]
        b_weight = weight(b_distance, b_hardness)  # [BX]
        m_near = m_pair & (b_distance != float("inf"))  # [BX]
        b_slope -= tl.where(m_near, b_distance * b_weight * b_ours, 0.0)
        b_grad = tl.where(m_near, -b_hardness * b_weight * (b_ours + b_theirs), 0.0)  # [BX]
        b_factor = over_length(b_grad, b_distance, NORM)[None, :]  # [1, BX]
        b_sum += direction(b_step, NORM, ACC) * b_factor
        if SCORED:
            b_scaled += direction(b_here - b_there, NORM, ACC) * b_factor
    o_out = (i_n * channels + i_channel)[:, None] * (tl.cast(height, tl.int64) * width)  # [BD, 1]
    p_pixel = p_out + o_out + address(i_row, i_column, width)[None, :]  # [BD, BX]
    tl.store(p_pixel, b_sum.to(p_out.dtype.element_ty), m_channel & m_pixel[None, :])
    if SCORED:
        o_out = (i_n * score_channels + i_score)[:, None] * (tl.cast(height, tl.int64) * width)  # [BC, 1]
        p_pixel = p_scaled_out + o_out + address(i_row, i_column, width)[None, :]  # [BC, BX]
        tl.store(p_pixel, b_scaled, m_score & m_pixel[None, :])
    tl.store(p_sums + tl.program_id(0), tl.sum(b_slope).to(tl.float64))
