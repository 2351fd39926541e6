"""`joint_upsample_scores` on a GPU: the kernel of `joint_upsample`, and the rest in plain PyTorch."""

from collections.abc import Sequence

from torch import Tensor

from crispseg.ops._joint_upsample.triton import joint_upsample
from crispseg.ops.scores_of_shares import to_scores


def joint_upsample_scores(
    value: Tensor,
    centres: Tensor,
    features: Tensor,
    before: Tensor,
    after: Tensor,
    hardness: Tensor,
    rows: Sequence[int],
    columns: Sequence[int],
    norm: int,
    whole: float | None,
) -> Tensor:
    """See `crispseg.ops._joint_upsample_scores.joint_upsample_scores`."""
    return to_scores(joint_upsample(value, centres, features, hardness, rows, columns, norm), before, after, whole)
