"""`affinity_weights` on a GPU: distances become weights in registers and are never stored.

As in `local_distance`, a program keeps a block of pixels times up to 16 neighbours; to normalise, it keeps the whole
window instead, of fewer pixels. The hardness and the weight of the scores are read on the device.
"""

import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._affinity_weights.triton_backward import affinity_weights_backward, further, weight
from crispseg.ops._layout import laid_out
from crispseg.ops._triton import (
    WIDE,
    add_steps,
    address,
    distance_block,
    inside,
    launch,
    neighbours,
    pixel_block,
    program,
    root,
    rows_in_memory,
    shift,
    store_pairs,
    triton_dtype,
)
from crispseg.precision import at_least_float32

__all__ = ["affinity_weights", "affinity_weights_backward"]


def affinity_weights(
    embedding: Tensor,
    hardness: Tensor,
    scores: Tensor | None,
    score_weight: Tensor | None,
    size: int,
    dilation: int,
    norm: int,
    normalize: bool,
    learns: bool,
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
        *further(scores, score_weight),
        height,
        width,
        blocks,
        dilation,
        SIZE=size,
        COUNT=count,
        NORM=norm,
        NORMALIZE=normalize,
        SCORED=scores is not None,
        ACC=triton_dtype(at_least_float32(embedding, scores)),
        PARTS=parts,
        BK=block,
        BX=pixels,
        num_warps=warps,
    )
    return laid_out(result, planar=not learns)


def _tile(count: int, *, normalize: bool) -> tuple[int, int, int]:
    """Return neighbours, pixels and warps of a program; to normalise, it holds the whole window: 16 values a thread."""
    if not normalize:
        block, warps = distance_block(count)
        return block, WIDE, warps
    block = triton.next_power_of_2(count)
    return block, min(WIDE, max(8, 4096 // block)), 8


@triton.jit
def _forward(
    p_image,
    p_hardness,
    p_out,
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
    COUNT: tl.constexpr,
    NORM: tl.constexpr,
    NORMALIZE: tl.constexpr,
    SCORED: tl.constexpr,
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
    b_sum = tl.zeros([BK, BX], ACC)
    p_image += i_n * stride_n
    b_sum = add_steps(b_sum, p_image, o_centre, o_neighbour, m_centre, m_pair, channels, stride_channel, 1.0, NORM, ACC)
    if SCORED:
        p_scores += i_n * scores_stride_n
        o_score = address(i_row, i_column, scores_stride_row)  # [BX]
        o_other = o_score[None, :] + shift(o_row, o_column, scores_stride_row)[:, None]  # [BK, BX]
        b_scale = tl.load(p_score_weight).to(ACC)
        b_sum = add_steps(
            b_sum,
            p_scores,
            o_score,
            o_other,
            m_centre,
            m_pair,
            score_channels,
            scores_stride_channel,
            b_scale,
            NORM,
            ACC,
        )
    b_weight = weight(root(b_sum, NORM), tl.load(p_hardness).to(ACC))  # [BK, BX]
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
