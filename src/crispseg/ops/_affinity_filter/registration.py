"""`affinity_filter` as an operator. It has no gradient: where one is recorded, its two parts are called instead."""

import torch

from crispseg.ops._registration import define

define(
    "affinity_filter(Tensor values, Tensor embedding, Tensor hardness, Tensor? scores, Tensor? score_weight, "
    "int size, int dilation, int norm, int passes) -> Tensor",
    lambda values, *_: torch.empty_like(values),
)
