"""Doing no harm: pixels that the scores were sure of keep their label."""

import torch
from torch import Tensor

from crispseg.scores import Scores


def guarded(before: Tensor, after: Tensor, confidence: float, kind: Scores) -> Tensor:
    """Filtered probabilities, but those from before wherever a label changed that had been likely.

    Args:
        before: (N, C, H, W) probabilities.
        after: (N, C, H, W), filtered.
        confidence: The probability from which on a label is kept.
        kind: With "multilabel", or a single channel, every channel is a label or not, and 0.5 lies between.

    Example:
        >>> before = torch.tensor([0.9, 0.6, 0.1, 0.4]).reshape(1, 2, 1, 2)
        >>> guarded(before, 1 - before, 0.8, "probabilities")[0, :, 0].tolist()
        [[0.8999999761581421, 0.3999999761581421], [0.10000000149011612, 0.6000000238418579]]
    """
    if kind == "multilabel" or before.shape[1] == 1:
        sure = (before >= confidence) | (before <= 1 - confidence)
        changed = (before > 0.5) != (after > 0.5)
    else:
        likely, label = before.max(1, keepdim=True)
        sure, changed = likely >= confidence, after.argmax(1, keepdim=True) != label
    return torch.where(sure & changed, before, after)
