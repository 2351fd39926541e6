"""Scores of upsampled shares, in one pass: one map of the size of the image is written, once."""

import torch
from torch import Tensor

from crispseg.ops._joint_upsample_scores import registration as registration
from crispseg.ops._registration import as_scalar
from crispseg.ops.interpolation import Axis


def joint_upsample_scores(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    before: Tensor,
    after: Tensor,
    rows: Axis,
    columns: Axis,
    hardness: float | Tensor,
    *,
    norm: int,
    whole: float | None,
) -> Tensor:
    """Return the scores of shares that are upsampled along features and then divided anew.

    Each share, upsampled as by `joint_upsample_part`, is multiplied by after / before; where that is 2^100 or more, or
    `before` is 0, it becomes 0. There is no gradient.

    Args:
        value: (N, C, h, w) shares.
        centres: (N, D, h, w) features at their centres.
        features: (N, D, H, W) features of the result.
        before: (N, 1, H, W) sums, such as those of the upsampled shares.
        after: (N, 1, H, W) sums to bring them to.
        rows: The mapping of the rows of the result to the coarse rows.
        columns: The mapping of its columns to the coarse columns.
        hardness: λ.
        norm: 1 or 2.
        whole: The share of a probability of 1, a power of two up to 2^100, for scores that are logarithms of
            probabilities; None if shares and scores are probabilities, which are held within [0, 1].

    Returns:
        (N, C, H, W), dtype of `value`.
    """
    scores: Tensor = torch.ops.crispseg.joint_upsample_scores(
        value, centres, features, before, after, as_scalar(hardness, features), rows, columns, norm, whole
    )
    return scores
