"""`local_contour` on a GPU.

Forward: a program walks the lines of a block of pixels to up to 16 neighbours side by side, each from the neighbour to
the centre; half of the window is enough, for both ends have the same line. The slope of a line is kept as a remainder,
as Bresenham does, so that no step divides. Backward: the same walk notes, in a byte, which step is the largest; then a
program looks, for a block of pixels, at every line that may pass through them, and collects the gradients of those that
note them: no atomics, the same bits every time.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._layout import laid_out
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
    store_pairs,
    triton_dtype,
)
from crispseg.precision import at_least_float32


def local_contour(boundary: Tensor, size: int, dilation: int) -> Tensor:
    """See `crispseg.ops.local_contour`."""
    batch, _, height, width = boundary.shape
    result = boundary.new_empty((batch, size * size, height, width))
    _walk_lines(boundary, result, size, dilation, count=size * size // 2 + 1)
    return laid_out(result)


def local_contour_backward(grad: Tensor, boundary: Tensor, size: int, dilation: int) -> Tensor:
    """Return the gradient of the boundary, in its shape and dtype."""
    grad = rows_in_memory(grad)
    batch, _, height, width = boundary.shape
    counter = torch.int8 if size // 2 * dilation <= torch.iinfo(torch.int8).max else torch.int32
    steps = torch.empty((batch, size * size, height, width), dtype=counter, device=boundary.device)
    _walk_lines(boundary, steps, size, dilation, count=size * size)
    result = boundary.new_empty(boundary.shape)
    # A line needs two addresses, of its step and its gradient, so a thread takes half as many neighbours as elsewhere.
    block, blocks = min(8, triton.next_power_of_2(size * size)), triton.cdiv(height * width, WIDE)
    launch(
        _collect,
        batch * blocks,
        grad,
        steps,
        result,
        *grad.stride()[:3],
        height,
        width,
        blocks,
        dilation,
        SIZE=size,
        ACC=triton_dtype(at_least_float32(boundary)),
        PARTS=triton.cdiv(size * size, block),
        BK=block,
        BX=WIDE,
        num_warps=8,
    )
    return laid_out_like(result, boundary)


def _walk_lines(boundary: Tensor, result: Tensor, size: int, dilation: int, *, count: int) -> None:
    """Store the largest values if the result is floating point, else the steps from the neighbour to them."""
    boundary = rows_in_memory(boundary)
    batch, _, height, width = boundary.shape
    block, warps = neighbour_block(count)
    blocks, parts = triton.cdiv(height * width, WIDE), triton.cdiv(count, block)
    launch(
        _walk,
        batch * blocks * parts,
        boundary,
        result,
        boundary.stride(0),
        boundary.stride(2),
        height,
        width,
        blocks,
        dilation,
        SIZE=size,
        COUNT=count,
        STEPS=not result.is_floating_point(),
        ACC=triton_dtype(at_least_float32(boundary)),
        PARTS=parts,
        BK=block,
        BX=WIDE,
        num_warps=warps,
    )


@triton.jit
def _next(i_line, b_rest, o_end, b_reach):
    """Take one step towards the centre along an axis: floor((2·d·t + n) / 2n) and its remainder, from t to t - 1.

    The slope is at most 1, so a step crosses at most one pixel.
    """
    b_rest -= 2 * o_end
    i_line += (b_rest >= 2 * b_reach).to(tl.int32) - (b_rest < 0).to(tl.int32)
    b_rest += tl.where(b_rest < 0, 2 * b_reach, tl.where(b_rest >= 2 * b_reach, -2 * b_reach, 0))
    return i_line, b_rest


@triton.jit
def _is_nan(b_value):
    return b_value != b_value  # noqa: PLR0124 - NaN alone differs from itself


@triton.jit
def _walk(
    p_boundary,
    p_out,
    stride_n,
    stride_row,
    height,
    width,
    blocks,
    dilation,
    SIZE: tl.constexpr,
    COUNT: tl.constexpr,
    STEPS: tl.constexpr,
    ACC: tl.constexpr,
    PARTS: tl.constexpr,
    BK: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, i_part = program(blocks, PARTS)
    i_row, i_column = pixel_block(i_block, width, BX)  # [BX]
    i_k, o_row, o_column = neighbours(i_part, dilation, SIZE, BK)  # [BK]
    m_window = (i_k < COUNT)[:, None] & (i_row < height)[None, :]  # [BK, BX]
    m_pair = inside(i_row[None, :] + o_row[:, None], i_column[None, :] + o_column[:, None], height, width)
    m_pair = m_window & m_pair  # [BK, BX]
    m_other = (i_k != SIZE * SIZE // 2)[:, None]  # [BK, 1]
    p_centre = (p_boundary + i_n * stride_n + address(i_row, i_column, stride_row))[None, :]  # [1, BX]
    b_reach = tl.maximum(tl.abs(o_row), tl.abs(o_column))  # [BK], steps of a line
    i_line_row, b_rest_row = o_row, b_reach  # [BK]
    i_line_column, b_rest_column = o_column, b_reach  # [BK]
    b_best = tl.load(p_centre + shift(o_row, o_column, stride_row)[:, None], m_pair, 0.0).to(ACC)  # [BK, BX]
    i_best = tl.zeros([BK, BX], tl.int32)
    for i_step in range(1, SIZE // 2 * dilation + 1):
        i_line_row, b_rest_row = _next(i_line_row, b_rest_row, o_row, b_reach)
        i_line_column, b_rest_column = _next(i_line_column, b_rest_column, o_column, b_reach)
        m_line = m_pair & (i_step <= b_reach)[:, None]  # [BK, BX]
        p_line = p_centre + shift(i_line_row, i_line_column, stride_row)[:, None]  # [BK, BX]
        b_value = tl.load(p_line, m_line, -float("inf")).to(ACC)  # [BK, BX]
        # The first NaN stays, since no value compares as larger.
        m_better = (b_value > b_best) | (_is_nan(b_value) & ~_is_nan(b_best))  # [BK, BX]
        b_best = tl.where(m_better, b_value, b_best)
        i_best = tl.where(m_better, i_step, i_best)
    if STEPS:
        m_pair = m_pair & m_other
        store_pairs(
            p_out,
            i_best,
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
            -1,
            SIZE,
            BOTH=False,
        )
    else:
        b_best = tl.where(m_other, b_best, 0.0)
        store_pairs(
            p_out,
            b_best,
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
            float("inf"),
            SIZE,
            BOTH=True,
        )


@triton.jit
def _collect(
    p_grad,
    p_steps,
    p_out,
    grad_stride_n,
    grad_stride_k,
    grad_stride_row,
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
    i_n, i_block, _ = program(blocks, 1)
    i_row, i_column = pixel_block(i_block, width, BX)  # [BX]
    plane = tl.cast(height, tl.int64) * width
    m_pixel = i_row < height  # [BX]
    o_pixel = address(i_row, i_column, width)  # [BX]
    o_grad = address(i_row, i_column, grad_stride_row)  # [BX]
    b_sum = tl.zeros([BK, BX], ACC)
    for i_part in range(PARTS):
        i_k, o_row, o_column = neighbours(i_part, dilation, SIZE, BK)  # [BK]
        m_window = (i_k < SIZE * SIZE)[:, None] & m_pixel[None, :]  # [BK, BX]
        o_plane = (i_n * (SIZE * SIZE) + i_k) * plane  # [BK]
        p_plane = p_steps + o_plane[:, None] + o_pixel[None, :]  # [BK, BX]
        p_upstream = p_grad + i_n * grad_stride_n + (i_k.to(tl.int64) * grad_stride_k)[:, None] + o_grad[None, :]
        b_reach = tl.maximum(tl.abs(o_row), tl.abs(o_column))  # [BK]
        i_line_row, b_rest_row = o_row, b_reach  # [BK]
        i_line_column, b_rest_column = o_column, b_reach  # [BK]
        for i_step in range(SIZE // 2 * dilation + 1):
            # The centre of the line that passes through this pixel at this step.
            i_there = i_row[None, :] - i_line_row[:, None]  # [BK, BX]
            i_across = i_column[None, :] - i_line_column[:, None]  # [BK, BX]
            m_line = m_window & (i_step <= b_reach)[:, None] & inside(i_there, i_across, height, width)  # [BK, BX]
            p_step = p_plane - shift(i_line_row, i_line_column, width)[:, None]  # [BK, BX]
            m_here = tl.load(p_step, m_line, -1) == i_step  # [BK, BX]
            p_line = p_upstream - shift(i_line_row, i_line_column, grad_stride_row)[:, None]  # [BK, BX]
            b_sum += tl.load(p_line, m_here, 0.0).to(ACC)
            i_line_row, b_rest_row = _next(i_line_row, b_rest_row, o_row, b_reach)
            i_line_column, b_rest_column = _next(i_line_column, b_rest_column, o_column, b_reach)
    tl.store(p_out + i_n * plane + o_pixel, tl.sum(b_sum, 0).to(p_out.dtype.element_ty), m_pixel)
