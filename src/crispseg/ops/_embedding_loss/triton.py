"""`embedding_loss` on a GPU, without ever storing a distance.

Loss: as in `local_distance`, a program keeps the distances of a block of pixels to up to 16 neighbours; it leaves four
sums, the hinges and the numbers of the pairs of one label and of two. At stride 1 half of the window is enough: a pair
is met twice. Gradient: a program owns all channels of a block of pixels and walks the window. No atomics: the same bits
every time.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._embedding_loss.reference import embedding_loss_backward
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
    triton_dtype,
)
from crispseg.precision import at_least_float32

__all__ = ["embedding_loss", "embedding_loss_backward"]


def embedding_loss(
    embedding: Tensor,
    labels: Tensor,
    size: int,
    dilation: int,
    near: float,
    far: float,
    norm: int,
    stride: int,
    ignore_index: int,
    balance: str,
    reduction: str,
    learns: bool,
) -> tuple[Tensor, Tensor]:
    """See the reference."""
    given, embedding, labels = embedding, rows_in_memory(embedding), rows_in_memory(labels)
    options = {"NEAR": float(near), "FAR": float(far), "NORM": norm, "STRIDE": stride, "IGNORE": ignore_index}
    weighing = {"BALANCE": balance == "parity", "MEAN": reduction == "mean"}
    wide = at_least_float32(embedding)
    sums = _sums(embedding, labels, size, dilation, options)
    loss = torch.empty((), dtype=wide, device=embedding.device)
    launch(_finish, 1, sums, loss, **weighing, num_warps=1)
    if not learns:
        return loss, embedding.new_empty(0, dtype=wide)
    batch, channels, height, width = embedding.shape
    gradient = embedding.new_empty(embedding.shape, dtype=wide)
    tile, block, warps = channel_tile(channels)
    blocks = triton.cdiv(height * width, block)
    launch(
        _gradient,
        batch * blocks,
        sums,
        embedding,
        labels,
        gradient,
        *embedding.stride()[:3],
        *labels.stride()[:2],
        channels,
        height,
        width,
        blocks,
        dilation,
        **options,
        **weighing,
        SIZE=size,
        ACC=triton_dtype(wide),
        BD=tile,
        BX=block,
        num_warps=warps,
    )
    return loss, laid_out_like(gradient, given)


def _sums(embedding: Tensor, labels: Tensor, size: int, dilation: int, options: dict[str, Any]) -> Tensor:
    """Return the summed hinges of pairs of equal and of different labels, and the counts of those pairs, as float64."""
    batch, channels, height, width = embedding.shape
    stride = options["STRIDE"]
    rows, columns = -(-height // stride), -(-width // stride)
    count = size * size // 2 if stride == 1 else size * size
    block, warps = distance_block(count)
    blocks, parts = triton.cdiv(rows * columns, WIDE), triton.cdiv(count, block)
    sums = torch.zeros((4, batch * blocks * parts), dtype=torch.float64, device=embedding.device)
    launch(
        _partial_sums,
        batch * blocks * parts,
        embedding,
        labels,
        sums,
        *embedding.stride()[:3],
        *labels.stride()[:2],
        channels,
        height,
        width,
        rows,
        columns,
        blocks,
        dilation,
        **options,
        SIZE=size,
        COUNT=count,
        ACC=triton_dtype(at_least_float32(embedding)),
        PARTS=parts,
        BK=block,
        BX=WIDE,
        num_warps=warps,
    )
    return sums.sum(1)


@triton.jit
def _partial_sums(
    p_image,
    p_labels,
    p_sums,
    stride_n,
    stride_channel,
    stride_row,
    labels_stride_n,
    labels_stride_row,
    channels,
    height,
    width,
    rows,
    columns,
    blocks,
    dilation,
    NEAR: tl.constexpr,
    FAR: tl.constexpr,
    NORM: tl.constexpr,
    STRIDE: tl.constexpr,
    IGNORE: tl.constexpr,
    SIZE: tl.constexpr,
    COUNT: tl.constexpr,
    ACC: tl.constexpr,
    PARTS: tl.constexpr,
    BK: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, i_part = program(blocks, PARTS)
    i_row, i_column = pixel_block(i_block, columns, BX)  # [BX], on the grid of centres
    i_k, o_row, o_column = neighbours(i_part, dilation, SIZE, BK)  # [BK]
    m_centre = i_row < rows  # [BX]
    i_row, i_column = i_row * STRIDE, i_column * STRIDE  # [BX], in the image
    i_there = i_row[None, :] + o_row[:, None]  # [BK, BX]
    i_across = i_column[None, :] + o_column[:, None]  # [BK, BX]
    m_pair = ((i_k < COUNT) & (i_k != SIZE * SIZE // 2))[:, None] & m_centre[None, :]  # [BK, BX]
    m_pair = m_pair & inside(i_there, i_across, height, width)
    p_labels += i_n * labels_stride_n
    p_ours = p_labels + address(i_row, i_column, labels_stride_row)  # [BX]
    b_ours = tl.load(p_ours, m_centre, 0).to(tl.int64)[None, :]  # [1, BX]
    p_theirs = p_ours[None, :] + shift(o_row, o_column, labels_stride_row)[:, None]  # [BK, BX]
    b_theirs = tl.load(p_theirs, m_pair, 0).to(tl.int64)  # [BK, BX]
    m_pair = m_pair & (b_ours != IGNORE) & (b_theirs != IGNORE)
    m_same = m_pair & (b_ours == b_theirs)  # [BK, BX]
    m_different = m_pair & (b_ours != b_theirs)  # [BK, BX]
    # A pair within the half of a dense window stands for both of its directions.
    times = 2.0 if STRIDE == 1 else 1.0
    p_sum = p_sums + tl.program_id(0)
    programs = tl.num_programs(0).to(tl.int64)
    tl.store(p_sum + 2 * programs, times * tl.sum(m_same.to(tl.int32)).to(tl.float64))
    tl.store(p_sum + 3 * programs, times * tl.sum(m_different.to(tl.int32)).to(tl.float64))
    o_centre = address(i_row, i_column, stride_row)  # [BX]
    o_neighbour = o_centre[None, :] + shift(o_row, o_column, stride_row)[:, None]  # [BK, BX]
    p_image += i_n * stride_n
    b_distance = distances(p_image, o_centre, o_neighbour, m_centre, m_pair, channels, stride_channel, NORM, ACC)
    # Comparing this way round lets NaN through, as the reference does.
    b_same = tl.where(m_same & ~(b_distance - NEAR < 0), b_distance - NEAR, 0.0)
    b_different = tl.where(m_different & ~(FAR - b_distance < 0), FAR - b_distance, 0.0)
    tl.store(p_sum, times * tl.sum(b_same).to(tl.float64))
    tl.store(p_sum + programs, times * tl.sum(b_different).to(tl.float64))


@triton.jit
def _factors(p_sums, BALANCE: tl.constexpr, MEAN: tl.constexpr):
    """Return the factors in the loss of the hinges of equal and of different labels."""
    same, different = tl.load(p_sums + 2), tl.load(p_sums + 3)
    pairs = same + different
    times = 1.0 if MEAN else pairs
    if BALANCE:
        groups = tl.maximum((same > 0).to(tl.float64) + (different > 0).to(tl.float64), 1.0)
        for_same = times / (groups * tl.maximum(same, 1.0))
        for_different = times / (groups * tl.maximum(different, 1.0))
    else:
        for_same = times / tl.maximum(pairs, 1.0)
        for_different = for_same
    return for_same, for_different


@triton.jit
def _finish(p_sums, p_out, BALANCE: tl.constexpr, MEAN: tl.constexpr):
    for_same, for_different = _factors(p_sums, BALANCE, MEAN)
    loss = for_same * tl.load(p_sums) + for_different * tl.load(p_sums + 1)
    tl.store(p_out, loss.to(p_out.dtype.element_ty))


@triton.jit
def _gradient(
    p_sums,
    p_image,
    p_labels,
    p_out,
    stride_n,
    stride_channel,
    stride_row,
    labels_stride_n,
    labels_stride_row,
    channels,
    height,
    width,
    blocks,
    dilation,
    NEAR: tl.constexpr,
    FAR: tl.constexpr,
    NORM: tl.constexpr,
    STRIDE: tl.constexpr,
    IGNORE: tl.constexpr,
    BALANCE: tl.constexpr,
    MEAN: tl.constexpr,
    SIZE: tl.constexpr,
    ACC: tl.constexpr,
    BD: tl.constexpr,
    BX: tl.constexpr,
):
    i_n, i_block, _ = program(blocks, 1)
    i_row, i_column = pixel_block(i_block, width, BX)  # [BX]
    i_channel = tl.arange(0, BD).to(tl.int64)  # [BD]
    m_pixel = i_row < height  # [BX]
    m_channel = (i_channel < channels)[:, None]  # [BD, 1]
    m_centre = (i_row % STRIDE == 0) & (i_column % STRIDE == 0)  # [BX]
    p_labels += i_n * labels_stride_n
    b_ours = tl.load(p_labels + address(i_row, i_column, labels_stride_row), m_pixel, 0).to(tl.int64)  # [BX]
    p_channel = p_image + i_n * stride_n + (i_channel * stride_channel)[:, None]  # [BD, 1]
    p_centre = p_channel + address(i_row, i_column, stride_row)[None, :]  # [BD, BX]
    b_centre = tl.load(p_centre, m_channel & m_pixel[None, :], 0.0).to(ACC)  # [BD, BX]
    for_same, for_different = _factors(p_sums, BALANCE, MEAN)
    for_same, for_different = for_same.to(ACC), for_different.to(ACC)
    b_sum = tl.zeros([BD, BX], ACC)
    for i_k in range(SIZE * SIZE):
        i_there = i_row + (i_k // SIZE - SIZE // 2) * dilation  # [BX]
        i_across = i_column + (i_k % SIZE - SIZE // 2) * dilation  # [BX]
        # Every pair counts once from this pixel and once from the neighbour, if they are centres.
        m_there = (i_there % STRIDE == 0) & (i_across % STRIDE == 0)  # [BX]
        b_times = m_centre.to(ACC) + m_there.to(ACC)  # [BX]
        m_pair = m_pixel & (m_centre | m_there) & inside(i_there, i_across, height, width)  # [BX]
        m_pair = m_pair & ((i_there != i_row) | (i_across != i_column))
        b_theirs = tl.load(p_labels + address(i_there, i_across, labels_stride_row), m_pair, 0).to(tl.int64)  # [BX]
        m_pair = m_pair & (b_ours != IGNORE) & (b_theirs != IGNORE)
        p_neighbour = p_channel + address(i_there, i_across, stride_row)[None, :]  # [BD, BX]
        b_step = b_centre - tl.load(p_neighbour, m_channel & m_pair[None, :], 0.0).to(ACC)  # [BD, BX]
        b_distance = length(b_step, NORM)  # [BX]
        b_same = tl.where(b_distance - NEAR > 0, for_same, 0.0)  # [BX]
        b_different = tl.where(FAR - b_distance > 0, -for_different, 0.0)  # [BX]
        b_grad = tl.where(m_pair, b_times * tl.where(b_ours == b_theirs, b_same, b_different), 0.0)  # [BX]
        b_sum += direction(b_step, NORM, ACC) * over_length(b_grad, b_distance, NORM)[None, :]
    o_out = (i_n * channels + i_channel)[:, None] * (tl.cast(height, tl.int64) * width)  # [BD, 1]
    p_pixel = p_out + o_out + address(i_row, i_column, width)[None, :]  # [BD, BX]
    tl.store(p_pixel, b_sum.to(p_out.dtype.element_ty), m_channel & m_pixel[None, :])
