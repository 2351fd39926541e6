"""Wrong arguments are refused before any work, with a word on what was given and what was expected."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crispseg import InputError, Window, ops

MAP = torch.rand(1, 2, 4, 5)
LABELS = torch.zeros(1, 4, 5, dtype=torch.long)
WEIGHTS = torch.rand(1, 9, 4, 5)
W = Window(3)


def _scored(scores: Tensor | None, score_weight: float | Tensor = 1.0) -> Tensor:
    return ops.affinity_weights(MAP, W, 1.0, scores=scores, score_weight=score_weight)


CASES: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: Window(8), InputError, "window size is 8; expected an odd number such as 9"),
    (lambda: Window(0), InputError, "window size is 0; expected an odd number such as 1"),
    (lambda: Window(-3), InputError, "window size is -3"),
    (lambda: Window(3, dilation=0), InputError, "window dilation is 0; expected 1 or more"),
    (lambda: Window(3.0), InputError, "window size is 3.0; expected a whole number"),  # type: ignore[arg-type]
    (lambda: ops.local_distance(MAP[0], W), InputError, r"embedding has shape \(2, 4, 5\); expected 4 dimensions"),
    (lambda: ops.local_distance(MAP.long(), W), TypeError, "embedding is torch.int64; expected a floating-point"),
    (lambda: ops.local_distance(MAP, W, norm=3), InputError, "norm is 3; expected one of 1, 2"),
    (lambda: ops.local_distance(MAP, W, stride=0), InputError, "stride is 0; expected a whole number of 1 or more"),
    (lambda: ops.local_parity(LABELS.float(), W), TypeError, "labels are torch.float32; expected an integer dtype"),
    (lambda: ops.local_parity(LABELS[0], W), InputError, r"labels have shape \(4, 5\)"),
    (lambda: ops.affinity(WEIGHTS, 0.0), InputError, "hardness is 0.0; expected a number above 0"),
    (lambda: ops.affinity(WEIGHTS, float("nan")), InputError, "hardness is nan"),
    (lambda: ops.affinity(WEIGHTS, torch.ones(2)), InputError, r"hardness has shape \(2,\); expected one element"),
    (lambda: ops.affinity_weights(MAP, W, torch.tensor(-1.0)), InputError, "hardness is -1.0; expected a number above"),
    (lambda: ops.affinity_weights(MAP, W, torch.tensor(torch.nan)), InputError, "hardness is nan"),
    (lambda: ops.affinity_weights(MAP, W, torch.tensor(2)), TypeError, "hardness is torch.int64; expected a floating"),
    (
        lambda: ops.affinity_weights(MAP, W, torch.tensor(1.0, device="meta")),
        InputError,
        "hardness is on meta, embedding on cpu",
    ),
    (lambda: ops.affinity_weights(MAP, 8, 1.0), InputError, "window size is 8; expected an odd number such as 9"),
    (lambda: ops.local_contour(MAP, W), InputError, "boundary has 2 channels; expected 1"),
    (lambda: ops.local_contour(LABELS[:, None], W), TypeError, "boundary is torch.int64"),
    (lambda: ops.affinity_weights(MAP, W, -1.0), InputError, "hardness is -1.0"),
    (lambda: ops.affinity_filter(MAP, MAP, W, -1.0), InputError, "hardness is -1.0"),
    (lambda: ops.affinity_filter(MAP, MAP, W, 1.0, passes=0), InputError, "passes is 0; expected a whole number"),
    (
        lambda: ops.affinity_filter(MAP, MAP[..., 1:], W, 1.0),
        InputError,
        r"values has \(N, H, W\) = \(1, 4, 5\), embed",
    ),
    (
        lambda: ops.rebalance(MAP, MAP[:, 1:], 0.2, [1]),
        InputError,
        r"before has shape \(1, 2, 4, 5\), after \(1, 1, 4, 5",
    ),
    (lambda: ops.rebalance(MAP, MAP, 0.7, [1]), InputError, "guard is 0.7; expected a number above 0 and up to 0.5"),
    (lambda: ops.rebalance(MAP, MAP, 0.2, [1, -1]), InputError, "radius is -1; expected a whole number of 0 or more"),
    (
        lambda: ops.rebalance(MAP, MAP, 0.2, [1], keep_thin=2),
        InputError,
        "keep_thin is 2; expected a number from 0 to 1",
    ),
    (lambda: ops.rebalance(MAP.long(), MAP, 0.2, [1]), TypeError, "before is torch.int64; expected a floating-point"),
    (lambda: ops.affinity_weights(MAP, W, 1.0, norm=0), InputError, "norm is 0"),
    (lambda: _scored(MAP[0]), InputError, r"scores has shape \(2, 4, 5\); expected 4 dimensions"),
    (lambda: _scored(MAP.long()), TypeError, "scores is torch.int64; expected a floating-point"),
    (lambda: _scored(MAP[..., :4]), InputError, r"scores has \(N, H, W\) = \(1, 4, 4\), embedding has \(1, 4, 5\)"),
    (lambda: _scored(MAP.to("meta")), InputError, "scores is on meta, embedding on cpu"),
    (lambda: _scored(MAP, -0.5), InputError, "score_weight is -0.5; expected a number of 0 or more"),
    (lambda: _scored(MAP, float("nan")), InputError, "score_weight is nan; expected a number of 0 or more"),
    (lambda: _scored(None, torch.tensor(torch.inf)), InputError, "score_weight is inf; expected a number of 0 or more"),
    (lambda: _scored(MAP, torch.ones(2)), InputError, r"score_weight has shape \(2,\); expected one element"),
    (lambda: _scored(MAP, torch.tensor(1)), TypeError, "score_weight is torch.int64; expected a floating"),
    (lambda: _scored(MAP, torch.tensor(1.0, device="meta")), InputError, "score_weight is on meta, embedding on cpu"),
    (lambda: ops.local_filter(MAP, WEIGHTS[:, :5], W), InputError, "weights has 5 channels; expected 9"),
    (lambda: ops.local_filter(MAP, WEIGHTS[..., :4], W), InputError, r"scores has \(N, H, W\) = \(1, 4, 5\), weights"),
    (lambda: ops.local_filter(MAP, WEIGHTS, W, passes=0), InputError, "passes is 0"),
    (lambda: ops.local_filter(MAP.int(), WEIGHTS, W), TypeError, "scores is torch.int32"),
    (lambda: ops.local_filter(MAP, WEIGHTS.to("meta"), W), InputError, "scores is on cpu, weights on meta"),
    (lambda: ops.embedding_loss(MAP, LABELS[:, :3], W), InputError, "expected the same"),
    (lambda: ops.embedding_loss(MAP, LABELS, W, near=3.0), InputError, "near is 3.0 and far is 2.0"),
    (lambda: ops.embedding_loss(MAP, LABELS, W, balance="x"), InputError, "balance is 'x'; expected one of 'none'"),
    (lambda: ops.embedding_loss(MAP, LABELS, W, reduction="x"), InputError, "reduction is 'x'"),
]


@pytest.mark.parametrize(("call", "kind", "message"), CASES, ids=[message for *_, message in CASES])
def test_refused(call: Callable[[], object], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
