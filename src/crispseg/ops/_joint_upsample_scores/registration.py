"""`joint_upsample_scores` as an operator, without a gradient."""

from typing import Any

from torch import Tensor

from crispseg.ops._registration import define


def _shapes(value: Tensor, centres: Tensor, features: Tensor, *_: Any) -> Tensor:
    return value.new_empty((*value.shape[:2], *features.shape[-2:]))


define(
    "joint_upsample_scores(Tensor value, Tensor centres, Tensor features, Tensor before, Tensor after, Tensor hardness,"
    " int[] rows, int[] columns, int norm, float? whole) -> Tensor",
    _shapes,
)
