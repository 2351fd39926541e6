"""`affinity_filter` as an operator. It has no gradient: where one is recorded, its two parts are called instead."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._registration import define


def _shapes(values: Tensor, *_: Any) -> Tensor:
    return torch.empty_like(values)


define(
    "affinity_filter(Tensor values, Tensor embedding, Tensor hardness, Tensor? scores, Tensor? score_weight, "
    "int size, int dilation, int norm, int passes) -> Tensor",
    _shapes,
)
