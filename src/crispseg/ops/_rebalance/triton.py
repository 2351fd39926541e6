"""`rebalance` on a GPU, in plain PyTorch."""

from crispseg.ops._rebalance.reference import rebalance

__all__ = ["rebalance"]
