"""`joint_upsample_scores` as an operator, without a gradient."""

from crispseg.ops._joint_upsample.registration import empty_result
from crispseg.ops._registration import define

define(
    "joint_upsample_scores(Tensor value, Tensor centres, Tensor features, Tensor before, Tensor after, Tensor hardness,"
    " int[] rows, int[] columns, int norm, float? whole) -> Tensor",
    empty_result,
)
