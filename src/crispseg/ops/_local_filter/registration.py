"""`local_filter` as an operator, which keeps the scores of every pass if the weights learn."""

from typing import Any

import torch
from torch import Tensor

from crispseg.ops._layout import empty_states
from crispseg.ops._registration import define, differentiate
from crispseg.precision import at_least_float32


def empty_results(
    scores: Tensor, weights: Tensor, size: int, dilation: int, passes: int, normalize: bool, learns: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Return empty results of the operator: scores, sums, and states, which have no elements unless it learns."""
    wide = at_least_float32(scores, weights)
    sums = scores.new_empty((scores.shape[0], 1, *scores.shape[2:]), dtype=wide)
    states = empty_states(scores, passes, wide) if learns else scores.new_empty(0, dtype=wide)
    return torch.empty_like(scores, requires_grad=False), sums, states


def _backward_shapes(
    grad: Tensor, weights: Tensor, sums: Tensor, states: Tensor, size: int, dilation: int, passes: int, learns: bool
) -> tuple[Tensor, Tensor]:
    return torch.empty_like(grad), torch.empty_like(weights) if learns else weights.new_empty(0)


def _save(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor, Tensor]) -> None:
    _, weights, *ctx.options, _, ctx.learns = inputs
    _, sums, states = output
    ctx.set_materialize_grads(False)
    ctx.mark_non_differentiable(sums, states)
    ctx.save_for_backward(weights, sums, states)


def _backward(ctx: Any, grad: Tensor | None, *_: None) -> tuple[Tensor | None, ...]:
    if grad is None:
        return ()
    to_scores, to_weights = torch.ops.crispseg.local_filter_backward(grad, *ctx.saved_tensors, *ctx.options, ctx.learns)
    return to_scores, to_weights if ctx.learns else None


define(
    "local_filter(Tensor scores, Tensor weights, int size, int dilation, int passes, bool normalize, bool learns) "
    "-> (Tensor result, Tensor sums, Tensor states)",
    empty_results,
)
define(
    "local_filter_backward(Tensor grad, Tensor weights, Tensor sums, Tensor states, int size, int dilation, "
    "int passes, bool learns) -> (Tensor to_scores, Tensor to_weights)",
    _backward_shapes,
)
differentiate("local_filter", _save, _backward)
