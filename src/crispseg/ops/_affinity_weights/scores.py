"""Scores as further channels of an embedding: what the implementations share."""

import torch
from torch import Tensor

from crispseg.ops._sums import total
from crispseg.precision import at_least_float32


def empty_scaled(embedding: Tensor, scores: Tensor | None) -> Tensor | None:
    """Return room for the gradient of the scores times their weight, None without scores."""
    if scores is None:
        return None
    return torch.empty_like(scores, dtype=at_least_float32(embedding, scores), requires_grad=False)


def gradients_from_scaled(
    to_scaled: Tensor | None, embedding: Tensor, scores: Tensor | None, weight: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Return the gradients of scores and of their weight from that of their product; empty tensors without scores."""
    if to_scaled is None or scores is None or weight is None:
        return embedding.new_empty(0, requires_grad=False), embedding.new_empty(0, requires_grad=False)
    to_scores = torch.empty_like(scores, requires_grad=False).copy_(to_scaled * weight.detach().to(to_scaled.dtype))
    return to_scores, total(to_scaled.mul_(scores.detach())).to(weight.dtype)
