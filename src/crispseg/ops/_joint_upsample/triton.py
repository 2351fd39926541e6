"""Joint upsampling on a GPU; its gradients in plain PyTorch.

A program owns a block of pixels. It finds the four coarse pixels around each, walks the channels of the
features for the four distances, turns them into weights, and walks the channels of the coarse map once.
"""

from collections.abc import Sequence

import triton
import triton.language as tl
from torch import Tensor

from crispseg.ops._joint_upsample.reference import joint_upsample_backward
from crispseg.ops._triton import WIDE, address, launch, pixel_block, rows_in_memory, triton_dtype
from crispseg.precision import at_least_float32

__all__ = ["joint_upsample", "joint_upsample_backward"]


def joint_upsample(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    hardness: Tensor,
    rows: Sequence[int],
    columns: Sequence[int],
    norm: int,
) -> Tensor:
    """See `crispseg.ops._joint_upsample.joint_upsample_part`."""
    value, centres, features = value.contiguous(), centres.contiguous(), rows_in_memory(features)
    batch, channels, coarse_height, coarse_width = value.shape
    _, dimensions, height, width = features.shape
    result = value.new_empty((batch, channels, height, width))
    blocks = triton.cdiv(height * width, WIDE)
    launch(
        _upsample,
        batch * blocks,
        value,
        centres,
        features,
        hardness,
        result,
        *features.stride()[:3],
        channels,
        dimensions,
        height,
        width,
        coarse_height,
        coarse_width,
        *_axis(rows),
        *_axis(columns),
        blocks,
        NORM=norm,
        ACC=triton_dtype(at_least_float32(value, features)),
        BX=WIDE,
        # A fused multiply-add would round the position of a pixel differently from plain PyTorch.
        enable_fp_fusion=False,
    )
    return result


def _axis(axis: Sequence[int]) -> tuple[int, int, int, float, float]:
    start, first, length, steps, pixels, shift = axis
    return start, length, first, steps / pixels, shift / (2 * pixels)


@triton.jit
def _source(i, start, length, first, scale, shift, there):
    """Return the available coarse rows (or columns) before and after a pixel, and the share of the latter."""
    position = ((start + i).to(tl.float32) + 0.5) * scale - shift  # [BX]
    position = tl.minimum(tl.maximum(position, 0.0), length.to(tl.float32))
    before = tl.minimum(position.to(tl.int32), length - 1)
    behind = tl.minimum(before + 1, length - 1)
    share = position - before.to(tl.float32)
    return _within(before - first, there), _within(behind - first, there), share


@triton.jit
def _within(i, there):
    return tl.minimum(tl.maximum(i, 0), there - 1)


@triton.jit
def _step(b_sum, b_feature, p_centre, NORM: tl.constexpr, ACC: tl.constexpr):
    """Add one channel of the features to a distance, or its square."""
    b_difference = b_feature - tl.load(p_centre).to(ACC)  # [BX]
    return b_sum + (tl.abs(b_difference) if NORM == 1 else b_difference * b_difference)


@triton.jit
def _exponent(b_sum, b_tent, b_hardness, NORM: tl.constexpr):
    """Return the logarithm of a weight: minus infinity where a corner is out of reach."""
    b_distance = b_sum if NORM == 1 else tl.sqrt(b_sum)
    return tl.where(b_tent > 0, tl.log(b_tent) - b_hardness * b_distance, float("-inf"))


@triton.jit
def _upsample(
    p_value,
    p_centres,
    p_features,
    p_hardness,
    p_out,
    stride_n,
    stride_channel,
    stride_row,
    channels,
    dimensions,
    height,
    width,
    coarse_height,
    coarse_width,
    row_start,
    row_length,
    row_first,
    row_scale,
    row_shift,
    column_start,
    column_length,
    column_first,
    column_scale,
    column_shift,
    blocks,
    NORM: tl.constexpr,
    ACC: tl.constexpr,
    BX: tl.constexpr,
):
    i_n = (tl.program_id(0) // blocks).to(tl.int64)
    i_row, i_column = pixel_block(tl.program_id(0) % blocks, width, BX)  # [BX]
    m_pixel = i_row < height  # [BX]
    i_top, i_bottom, b_down = _source(i_row, row_start, row_length, row_first, row_scale, row_shift, coarse_height)
    i_left, i_right, b_right = _source(
        i_column, column_start, column_length, column_first, column_scale, column_shift, coarse_width
    )
    coarse = tl.cast(coarse_height, tl.int64) * coarse_width
    o_top, o_bottom = i_top.to(tl.int64) * coarse_width, i_bottom.to(tl.int64) * coarse_width  # [BX]
    o_0, o_1, o_2, o_3 = o_top + i_left, o_top + i_right, o_bottom + i_left, o_bottom + i_right
    p_feature = p_features + i_n * stride_n + address(i_row, i_column, stride_row)  # [BX]
    p_centre = p_centres + i_n * dimensions * coarse
    b_0 = tl.zeros([BX], ACC)
    b_1, b_2, b_3 = b_0, b_0, b_0
    for _ in range(dimensions):
        b_feature = tl.load(p_feature, m_pixel, 0.0).to(ACC)  # [BX]
        b_0 = _step(b_0, b_feature, p_centre + o_0, NORM, ACC)
        b_1 = _step(b_1, b_feature, p_centre + o_1, NORM, ACC)
        b_2 = _step(b_2, b_feature, p_centre + o_2, NORM, ACC)
        b_3 = _step(b_3, b_feature, p_centre + o_3, NORM, ACC)
        p_feature += stride_channel
        p_centre += coarse
    b_hardness = tl.load(p_hardness).to(ACC)
    b_up, b_left = 1 - b_down, 1 - b_right
    b_0 = _exponent(b_0, (b_up * b_left).to(ACC), b_hardness, NORM)
    b_1 = _exponent(b_1, (b_up * b_right).to(ACC), b_hardness, NORM)
    b_2 = _exponent(b_2, (b_down * b_left).to(ACC), b_hardness, NORM)
    b_3 = _exponent(b_3, (b_down * b_right).to(ACC), b_hardness, NORM)
    # At any distance, the four weights sum to 1.
    b_most = tl.maximum(tl.maximum(b_0, b_1), tl.maximum(b_2, b_3))
    b_0, b_1, b_2, b_3 = tl.exp(b_0 - b_most), tl.exp(b_1 - b_most), tl.exp(b_2 - b_most), tl.exp(b_3 - b_most)
    b_total = b_0 + b_1 + b_2 + b_3
    b_0, b_1, b_2, b_3 = b_0 / b_total, b_1 / b_total, b_2 / b_total, b_3 / b_total
    plane = tl.cast(height, tl.int64) * width
    p_coarse = p_value + i_n * channels * coarse
    p_pixel = p_out + i_n * channels * plane + address(i_row, i_column, width)  # [BX]
    for _ in range(channels):
        b_sum = b_0 * tl.load(p_coarse + o_0).to(ACC)
        b_sum += b_1 * tl.load(p_coarse + o_1).to(ACC)
        b_sum += b_2 * tl.load(p_coarse + o_2).to(ACC)
        b_sum += b_3 * tl.load(p_coarse + o_3).to(ACC)
        tl.store(p_pixel, b_sum.to(p_out.dtype.element_ty), m_pixel)
        p_coarse += coarse
        p_pixel += plane
