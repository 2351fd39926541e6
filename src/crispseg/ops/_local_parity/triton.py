"""`local_parity` on a GPU: a program compares a block of pixels with a block of their neighbours, and stores bytes.

Only the labels of the centres are reused. Most of the work is writing, which runs along rows.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._triton import (
    WIDE,
    address,
    inside,
    launch,
    neighbour_block,
    neighbours,
    pixel_block,
    program,
    rows_in_memory,
    shift,
)


def local_parity(labels: Tensor, size: int, dilation: int, stride: int, ignore_index: int) -> tuple[Tensor, Tensor]:
    """See `crispseg.ops.local_parity`."""
    labels = rows_in_memory(labels)
    batch, height, width = labels.shape
    rows, columns = -(-height // stride), -(-width // stride)
    parity = torch.empty((batch, size * size, rows, columns), dtype=torch.bool, device=labels.device)
    valid = torch.empty_like(parity)
    block, warps = neighbour_block(size * size)
    blocks, parts = triton.cdiv(rows * columns, WIDE), triton.cdiv(size * size, block)
    launch(
        _forward,
        batch * blocks * parts,
        labels,
        parity.view(torch.uint8),
        valid.view(torch.uint8),
        *labels.stride()[:2],
        height,
        width,
        rows,
        columns,
        blocks,
        dilation,
        IGNORE=ignore_index,
        SIZE=size,
        STRIDE=stride,
        PARTS=parts,
        BK=block,
        BX=WIDE,
        num_warps=warps,
    )
    return parity, valid


@triton.jit
def _forward(
    p_labels,
    p_parity,
    p_valid,
    stride_n,
    stride_row,
    height,
    width,
    rows,
    columns,
    blocks,
    dilation,
    IGNORE: tl.constexpr,
    SIZE: tl.constexpr,
    STRIDE: tl.constexpr,
    PARTS: tl.constexpr,
    BK: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, i_part = program(blocks, PARTS)
    i_row, i_column = pixel_block(i_block, columns, BX)  # [BX], on the grid of centres
    i_k, o_row, o_column = neighbours(i_part, dilation, SIZE, BK)  # [BK]
    m_centre = i_row < rows  # [BX]
    m_window = (i_k < SIZE * SIZE)[:, None] & m_centre[None, :]  # [BK, BX]
    i_there = (i_row * STRIDE)[None, :] + o_row[:, None]  # [BK, BX], in the image
    i_across = (i_column * STRIDE)[None, :] + o_column[:, None]  # [BK, BX]
    m_pair = m_window & inside(i_there, i_across, height, width)  # [BK, BX]
    m_pair = m_pair & (i_k != SIZE * SIZE // 2)[:, None]
    p_labels += i_n * stride_n
    o_centre = address(i_row * STRIDE, i_column * STRIDE, stride_row)  # [BX]
    b_centre = tl.load(p_labels + o_centre, m_centre, 0).to(tl.int64)[None, :]  # [1, BX]
    o_neighbour = o_centre[None, :] + shift(o_row, o_column, stride_row)[:, None]  # [BK, BX]
    b_label = tl.load(p_labels + o_neighbour, m_pair, 0).to(tl.int64)  # [BK, BX]
    m_pair = m_pair & (b_centre != IGNORE) & (b_label != IGNORE)
    plane = tl.cast(rows, tl.int64) * columns
    o_out = ((i_n * (SIZE * SIZE) + i_k) * plane)[:, None] + address(i_row, i_column, columns)[None, :]  # [BK, BX]
    tl.store(p_valid + o_out, m_pair.to(tl.uint8), m_window)
    tl.store(p_parity + o_out, (m_pair & (b_centre == b_label)).to(tl.uint8), m_window)
