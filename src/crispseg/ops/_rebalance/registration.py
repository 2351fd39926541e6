"""`rebalance` as an operator. It has no gradient: where one is recorded, the reference is called instead."""

import torch

from crispseg.ops._registration import define

define(
    "rebalance(Tensor before, Tensor after, float guard, int[] radii, float keep_thin) -> Tensor",
    lambda before, after, *_: torch.empty_like(after),
)
