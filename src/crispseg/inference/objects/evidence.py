"""The evidence for a change: without it, a pixel or a mask stays as it was given."""

from typing import NamedTuple

import torch
from torch import Tensor

from crispseg.window import Level


class Evidence(NamedTuple):
    """How much must speak for a pixel that changes sides."""

    certainty: float
    """The least probability of its new side."""
    due: float
    """The part of that probability that must be due to the image: more than an image of one colour would give, whose
    result depends on the form of the mask alone."""


SOFT = Evidence(0.5, 1e-3)
"""For masks that say themselves where they are unsure, or whose user says how far they may change."""

HARD = Evidence(0.65, 0.1)
"""For other masks that are 0 and 1: only the image can say where they are wrong."""


def equal_weights(level: Level, like: Tensor) -> Tensor:
    """Return the (1, K, H, W) weights of an image of one colour, given the (1, D, H, W) features of another."""
    return like.new_ones(()).expand(1, level.window.count, *like.shape[-2:])


def supported(before: Tensor, after: Tensor, blind: Tensor, evidence: Evidence) -> Tensor:
    """Return probabilities after a filter; pixels that changed sides without evidence have those of before.

    Args:
        before: Probabilities before the filter.
        after: Those after it.
        blind: Those after the same filter on an image of one colour.
        evidence: How much must speak for a change.

    Example:
        >>> before, after = torch.tensor([0.4, 0.4, 0.4]), torch.tensor([0.6, 0.9, 0.9])
        >>> supported(before, after, torch.tensor([0.4, 0.85, 0.6]), Evidence(0.65, 0.1)).tolist()
        [0.4000000059604645, 0.4000000059604645, 0.8999999761581421]
    """
    inside = before > 0.5
    towards = torch.where(inside, -1.0, 1.0)
    sure = towards * (after - 0.5) >= evidence.certainty - 0.5
    due = towards * (after - blind) > evidence.due
    return torch.where(((after > 0.5) != inside) & ~(sure & due), before, after)
