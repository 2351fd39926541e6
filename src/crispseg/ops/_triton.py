"""Shared parts of the Triton kernels: the pixels and neighbours that a program works on, and their distances.

A program takes a block of pixels that are consecutive in raster order, one for each lane: loads along a row coalesce,
and narrow images waste no lanes. Rows and columns are computed once for each program, so that no inner loop divides.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

WIDE = 128
"""Pixels of a program in which each lane owns a pixel: one for each thread of four warps."""

_CHANNELS_AT_ONCE = tl.constexpr(16)
"""Channels of a distance that are loaded at the same time."""


def triton_dtype(dtype: torch.dtype) -> Any:
    """Return Triton's dtype for an accumulation dtype."""
    return tl.float64 if dtype == torch.float64 else tl.float32


def rows_in_memory(x: Tensor) -> Tensor:
    """Return a tensor whose neighbouring columns are adjacent in memory, copied if necessary.

    Every pixel is read at least K times, so one copy is cheaper than K scattered reads. Other strides are arbitrary.
    """
    if x.stride(-1) == 1 or x.shape[-1] == 1:
        return x
    return _from_channels_last(x) if x.is_contiguous(memory_format=torch.channels_last) else x.contiguous()


def laid_out_like(result: Tensor, given: Tensor) -> Tensor:
    """Return a contiguous result in the layout of `torch.empty_like(given)`, copied if they differ."""
    wanted = torch.empty_like(given, device="meta").stride()
    return result if wanted == result.stride() else torch.empty_like(given).copy_(result)


def _from_channels_last(x: Tensor) -> Tensor:
    """Return a contiguous copy, made by tiles: several times as fast as PyTorch's."""
    batch, channels, height, width = x.shape
    result = torch.empty(x.shape, dtype=x.dtype, device=x.device)
    block = min(32, triton.next_power_of_2(max(channels, 1)))
    blocks, parts = triton.cdiv(height * width, WIDE), triton.cdiv(channels, block)
    launch(
        _transpose, batch * blocks * parts, x, result, channels, height * width, blocks, PARTS=parts, BC=block, BX=WIDE
    )
    return result


def neighbour_block(count: int) -> tuple[int, int]:
    """Return neighbours and warps of a program with an accumulator for each of `WIDE` pixels and some neighbours.

    16 neighbours share rows of pixels in the cache; eight for each thread leave registers for their addresses.
    """
    block = min(16, triton.next_power_of_2(max(count, 1)))
    return block, max(4, block // 2)


def distance_block(count: int) -> tuple[int, int]:
    """Return neighbours and warps of a program that only measures distances: few a thread, many loads in flight."""
    block = min(8, triton.next_power_of_2(max(count, 1)))
    return block, max(4, block)


def channel_tile(channels: int) -> tuple[int, int, int]:
    """Return channels, pixels and warps of a program that holds all channels of its pixels at once.

    The three tiles of a backward (centre, neighbour, result) stay in registers: 16 values of each for a thread. Below
    16 pixels, loads would no longer fill a memory sector; more channels get more warps instead, up to 512 channels.
    """
    rows = triton.next_power_of_2(max(channels, 1))
    pixels = min(WIDE, max(16, 2048 // rows))
    return rows, pixels, min(16, max(4, rows * pixels // 512))


def launch(kernel: Any, programs: int, *arguments: Any, **constants: Any) -> None:
    """Run a kernel on the device of its first tensor, unless there are no programs."""
    if programs:
        with torch.cuda.device_of(arguments[0]):
            kernel[(programs,)](*arguments, **{"enable_fp_fusion": True, **constants})


@triton.jit
def _transpose(p_x, p_out, channels, plane, blocks, PARTS: tl.constexpr, BC: tl.constexpr, BX: tl.constexpr):
    i_n, i_block, i_part = program(blocks, PARTS)
    i_pixel = i_block.to(tl.int64) * BX + tl.arange(0, BX)  # [BX]
    i_channel = i_part * BC + tl.arange(0, BC)  # [BC]
    m_tile = (i_pixel < plane)[:, None] & (i_channel < channels)[None, :]  # [BX, BC]
    o_image = i_n * channels * plane
    b_tile = tl.load(p_x + o_image + i_pixel[:, None] * channels + i_channel[None, :], m_tile)
    tl.store(p_out + o_image + i_channel[None, :].to(tl.int64) * plane + i_pixel[:, None], b_tile, m_tile)


@triton.jit
def program(blocks, PARTS: tl.constexpr):
    """Return the indices of the image, of the block of its pixels, and of the part of the window or the channels.

    Parts of the same block run at about the same time, so that they find its pixels in the cache.
    """
    i_program = tl.program_id(0)
    i_block = i_program // PARTS
    return (i_block // blocks).to(tl.int64), i_block % blocks, i_program % PARTS


@triton.jit
def pixel_block(i_block, width, BX: tl.constexpr):
    """Return rows and columns of the pixels of a block; the caller masks rows beyond the image."""
    o_first = i_block.to(tl.int64) * BX  # an image may have more pixels than an int32 counts
    o_column = (o_first % width).to(tl.int32) + tl.arange(0, BX)  # [BX]
    i_row = (o_first // width).to(tl.int32) + o_column // width  # [BX]
    return i_row, o_column % width


@triton.jit
def neighbours(i_part, dilation, SIZE: tl.constexpr, BK: tl.constexpr):
    """Return the window indices and the offsets (rows, columns) of a block of neighbours."""
    i_k = i_part * BK + tl.arange(0, BK)  # [BK]
    return i_k, (i_k // SIZE - SIZE // 2) * dilation, (i_k % SIZE - SIZE // 2) * dilation


@triton.jit
def inside(i_row, i_column, height, width):
    """Return whether pixels lie in the image."""
    return (i_row >= 0) & (i_row < height) & (i_column >= 0) & (i_column < width)


@triton.jit
def shift(o_row, o_column, stride_row):
    """Return the memory offsets from centres to neighbours."""
    return o_row.to(tl.int64) * stride_row + o_column


@triton.jit
def address(i_row, i_column, stride_row):
    """Return the addresses within a plane of the pixels of a block [BX], or of one neighbour of each.

    The hints make the compiler place its lanes along the row, even where row ends or a stride break the sequence. The
    compiler joins only loads of aligned pixels, so declaring them unaligned keeps the first hint harmless.
    """
    o_pixel = i_row.to(tl.int64) * stride_row + i_column
    return tl.multiple_of(tl.max_contiguous(o_pixel, o_pixel.shape[0]), 1)


@triton.jit
def distances(
    p_image, o_centre, o_neighbour, m_centre, m_pair, channels, stride_channel, NORM: tl.constexpr, ACC: tl.constexpr
):
    """Return the distances of centres [BX] to a block of their neighbours [BK, BX]; undefined outside `m_pair`."""
    b_sum = tl.zeros(o_neighbour.shape, ACC)  # [BK, BX]
    b_sum = add_steps(b_sum, p_image, o_centre, o_neighbour, m_centre, m_pair, channels, stride_channel, 1.0, NORM, ACC)
    return root(b_sum, NORM)


@triton.jit
def add_steps(
    b_sum,
    p_image,
    o_centre,
    o_neighbour,
    m_centre,
    m_pair,
    channels,
    stride_channel,
    b_scale,
    NORM: tl.constexpr,
    ACC: tl.constexpr,
):
    """Add the absolute or squared steps along the channels of an image, multiplied by a scale; `root` ends the sum."""
    for _ in tl.range(channels, loop_unroll_factor=_CHANNELS_AT_ONCE):
        b_centre = tl.load(p_image + o_centre, m_centre, 0.0).to(ACC) * b_scale  # [BX]
        b_step = b_centre[None, :] - tl.load(p_image + o_neighbour, m_pair, 0.0).to(ACC) * b_scale  # [BK, BX]
        b_sum += magnitude(b_step, NORM)
        p_image += stride_channel
    return b_sum


@triton.jit
def magnitude(b_step, NORM: tl.constexpr):
    """Return the term of a step in the sum of a distance."""
    return tl.abs(b_step) if NORM == 1 else b_step * b_step


@triton.jit
def root(b_sum, NORM: tl.constexpr):
    """Return distances from the sums of their terms."""
    return b_sum if NORM == 1 else tl.sqrt(b_sum)


@triton.jit
def direction(b_step, NORM: tl.constexpr, ACC: tl.constexpr):
    """Return the gradient of a distance by the step between two pixels, times the distance if `NORM` is 2."""
    return (b_step > 0).to(ACC) - (b_step < 0).to(ACC) if NORM == 1 else b_step


@triton.jit
def length(b_step, NORM: tl.constexpr):
    """Return the norms [BX] of the steps [BD, BX] along their channels."""
    return root(tl.sum(magnitude(b_step, NORM), 0), NORM)


@triton.jit
def over_length(b_grad, b_length, NORM: tl.constexpr):
    """Return the factor of `direction`: the distance's gradient, divided by the distance if `NORM` is 2; 0 at 0."""
    return b_grad if NORM == 1 else tl.where(b_length == 0, 0.0, b_grad / tl.where(b_length == 0, 1.0, b_length))


@triton.jit
def store_pairs(
    p_out,
    b_value,
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
    OUTSIDE: tl.constexpr,
    SIZE: tl.constexpr,
    BOTH: tl.constexpr,
):
    """Store a block of the window [BK, BX] of a contiguous (N, K, H, W), `OUTSIDE` where a neighbour is outside.

    `BOTH` also stores the same values as entries of the neighbours: entry K - 1 - k of pixel
    p + offset(k). Entries of the centres that no pixel of the image would store are set to `OUTSIDE`.
    """
    plane = tl.cast(height, tl.int64) * width
    o_centre = address(i_row, i_column, width)  # [BX]
    p_out += i_n * (SIZE * SIZE) * plane
    p_ours = p_out + (i_k.to(tl.int64) * plane)[:, None] + o_centre[None, :]  # [BK, BX]
    tl.store(p_ours, tl.where(m_pair, b_value, OUTSIDE).to(p_out.dtype.element_ty), m_window)
    if BOTH:
        m_other = (i_k != SIZE * SIZE // 2)[:, None]  # [BK, 1]
        p_plane = p_out + ((SIZE * SIZE - 1 - i_k).to(tl.int64) * plane)[:, None]  # [BK, 1]
        o_neighbour = o_centre[None, :] + shift(o_row, o_column, width)[:, None]  # [BK, BX]
        tl.store(p_plane + o_neighbour, b_value.to(p_out.dtype.element_ty), m_pair & m_other)
        m_inside = inside(i_row[None, :] - o_row[:, None], i_column[None, :] - o_column[:, None], height, width)
        b_outside = tl.full(m_pair.shape, OUTSIDE, tl.float32).to(p_out.dtype.element_ty)  # [BK, BX]
        tl.store(p_plane + o_centre[None, :], b_outside, m_window & m_other & ~m_inside)
