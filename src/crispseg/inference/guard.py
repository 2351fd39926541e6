"""Doing no harm: pixels that the scores were sure of keep their label."""

from crispseg.inference.shares import Shares


def guarded(before: Shares, after: Shares, confidence: float) -> Shares:
    """Filtered shares, but those from before wherever a label changed that had been likely.

    Where a channel stands for itself, it is a label or not, and the two are weighed against each other.

    Args:
        before: Of the upsampled scores.
        after: Filtered.
        confidence: The probability from which on a label is kept.

    Example:
        >>> import torch
        >>> before = Shares.of(torch.tensor([0.9, 0.6, 0.1, 0.4]).reshape(1, 2, 1, 2), "probabilities")
        >>> guarded(before, before.with_values(1 - before.values), 0.8).values[0, :, 0].tolist()
        [[0.8999999761581421, 0.3999999761581421], [0.10000000149011612, 0.6000000238418579]]
    """
    likely, label = before.choices().max(1, keepdim=True)
    changed = after.choices().argmax(1, keepdim=True) != label
    return after.chosen((likely >= confidence) & changed, before)
