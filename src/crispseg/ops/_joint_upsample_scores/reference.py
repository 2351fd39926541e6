"""`joint_upsample_scores` in plain PyTorch."""

from collections.abc import Sequence

from torch import Tensor

from crispseg.ops._joint_upsample import reference
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
    upsampled = reference.joint_upsample(value, centres, features, hardness, rows, columns, norm)
    return to_scores(upsampled, before, after, whole)
