"""Facts about each operation for the contract test: how to draw inputs, how to call it, what holds for it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from crispseg import ops
from crispseg.window import Window
from tests.ops import brute_force, oracle

Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Operation:
    """One operation under contract."""

    name: str
    draw: Callable[[torch.Generator, tuple[int, int, int, int], Window], Inputs]
    """Float64 inputs for a batch, channels, height, width and window. Those that are floating point get gradients."""
    call: Callable[..., Tensor]
    oracle: Callable[..., Any]
    """As loops over single pixels."""
    vectorised: Callable[..., Tensor]
    """In whole tensors, differentiable, for sizes that loops cannot take."""
    options: tuple[dict[str, Any], ...] = ({},)
    gathers: bool = True
    """Whether an output pixel looks at its window in the first input."""
    variant: str = ""
    """Which of several ways to call the operation."""

    def __str__(self) -> str:
        return f"{self.name}-{self.variant}" if self.variant else self.name


def cast(inputs: Inputs, dtype: torch.dtype) -> Inputs:
    """Those that are floating point in another dtype."""
    return tuple(x.to(dtype) if x.is_floating_point() else x for x in inputs)


def on_a_grid(embedding: Tensor) -> Tensor:
    """Embeddings of few bits, whose distances are around the margins of the loss.

    Their differences, squares and sums are exact in float32: rounding moves no pair across a margin, and no sign.
    """
    channels = max(embedding.shape[1], 1)
    bits = 3 + channels.bit_length() // 2
    steps = float(1 << bits)
    return (embedding * (1.8 / channels * steps)).round() / steps


def _embedding(rng: torch.Generator, shape: tuple[int, int, int, int], window: Window) -> Inputs:
    return (torch.randn(shape, generator=rng, dtype=torch.float64),)


def _embedding_and_labels(rng: torch.Generator, shape: tuple[int, int, int, int], window: Window) -> Inputs:
    batch, _, height, width = shape
    labels = torch.randint(0, 3, (batch, height, width), generator=rng)
    return *_embedding(rng, shape, window), labels.masked_fill(labels == 2, 255)


def _scores_and_weights(rng: torch.Generator, shape: tuple[int, int, int, int], window: Window) -> Inputs:
    batch, _, height, width = shape
    weights = torch.rand((batch, window.count, height, width), generator=rng, dtype=torch.float64)
    return *_embedding(rng, shape, window), weights


def _finite(distance: Tensor) -> Tensor:
    """Infinity marks a neighbour outside the image; gradcheck cannot subtract it."""
    return distance.masked_fill(torch.isposinf(distance), 7.0)


def _local_distance(embedding: Tensor, window: Window, **options: Any) -> Tensor:
    return _finite(ops.local_distance(embedding, window, **options))


def _embedding_and_hardness(rng: torch.Generator, shape: tuple[int, int, int, int], window: Window) -> Inputs:
    return *_embedding(rng, shape, window), torch.tensor(1.5, dtype=torch.float64)


def _affinity_weights_loops(embedding: Tensor, hardness: Tensor, window: Window, norm: int, normalize: bool) -> Tensor:
    weights = brute_force.affinity(brute_force.local_distance(embedding, window, norm=norm), float(hardness))
    return weights / weights.sum(1, keepdim=True) if normalize else weights


def _embedding_hardness_scores_and_weight(
    rng: torch.Generator, shape: tuple[int, int, int, int], window: Window
) -> Inputs:
    batch, _, height, width = shape
    scores = torch.rand((batch, 2, height, width), generator=rng, dtype=torch.float64)
    embedding, hardness = _embedding_and_hardness(rng, shape, window)
    return (
        0.3 * embedding,
        hardness,
        scores,
        torch.tensor(0.75, dtype=torch.float64),
    )  # near: float16 has to hold it all


def _joined(call: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """As a call for scores, which are joined to the embedding."""

    def joined(
        embedding: Tensor, hardness: Tensor, scores: Tensor, weight: Tensor, *rest: Any, **options: Any
    ) -> Tensor:
        return call(torch.cat([embedding, weight * scores], 1), hardness, *rest, **options)

    return joined


def _boundary(rng: torch.Generator, shape: tuple[int, int, int, int], window: Window) -> Inputs:
    batch, _, height, width = shape
    return (torch.rand((batch, 1, height, width), generator=rng, dtype=torch.float64),)


def _value_features_and_hardness(rng: torch.Generator, shape: tuple[int, int, int, int], window: Window) -> Inputs:
    batch, _, height, width = shape
    value = torch.rand((batch, 2, -(-height // 2), -(-width // 3)), generator=rng, dtype=torch.float64)
    return value, *_embedding_and_hardness(rng, shape, window)


def _distance_and_hardness(rng: torch.Generator, shape: tuple[int, int, int, int], window: Window) -> Inputs:
    distance = torch.rand(shape, generator=rng, dtype=torch.float64)
    distance[..., 0] = torch.inf  # as at a border
    return distance, torch.tensor(1.5, dtype=torch.float64)


def _labels(rng: torch.Generator, shape: tuple[int, int, int, int], window: Window) -> Inputs:
    batch, _, height, width = shape
    return (torch.randint(0, 4, (batch, height, width), generator=rng),)


def _local_parity(labels: Tensor, window: Window, **options: Any) -> Tensor:
    """Both answers in one: 0 no pair, 1 different, 2 same."""
    parity, valid = ops.local_parity(labels, window, **options)
    return (parity.int() + valid).double()


def _local_parity_loops(labels: Tensor, window: Window, **options: Any) -> Tensor:
    parity, valid = brute_force.local_parity(labels, window, **options)
    return (parity.int() + valid).double()


def _local_parity_vectorised(labels: Tensor, window: Window, **options: Any) -> Tensor:
    parity, valid = oracle.local_parity(labels, window, **options)
    return (parity.int() + valid).double()


OPERATIONS = (
    Operation(
        "local_parity",
        _labels,
        _local_parity,
        _local_parity_loops,
        _local_parity_vectorised,
        ({}, {"stride": 2}, {"stride": 3, "ignore_index": 2}),
    ),
    Operation(
        "affinity",
        _distance_and_hardness,
        lambda distance, hardness, window: ops.affinity(distance, hardness),
        lambda distance, hardness, window: brute_force.affinity(distance, float(hardness)),
        lambda distance, hardness, window: oracle.affinity(distance, hardness),
        gathers=False,
    ),
    Operation(
        "local_distance",
        _embedding,
        _local_distance,
        lambda e, window, **options: _finite(brute_force.local_distance(e, window, **options)),
        lambda e, window, **options: _finite(oracle.local_distance(e, window, **options)),
        tuple({"norm": norm, "stride": stride} for norm in (1, 2) for stride in (1, 2, 3)),
    ),
    Operation(
        "affinity_weights",
        _embedding_and_hardness,
        lambda e, hardness, window, **options: ops.affinity_weights(e, window, hardness, **options),
        _affinity_weights_loops,
        oracle.affinity_weights,
        ({"norm": 1, "normalize": False}, {"norm": 2, "normalize": False}, {"norm": 1, "normalize": True}),
    ),
    Operation(
        "affinity_weights",
        _embedding_hardness_scores_and_weight,
        lambda e, hardness, scores, weight, window, **options: ops.affinity_weights(
            e, window, hardness, scores=scores, score_weight=weight, **options
        ),
        _joined(_affinity_weights_loops),
        _joined(oracle.affinity_weights),
        ({"norm": 1, "normalize": False}, {"norm": 2, "normalize": False}, {"norm": 1, "normalize": True}),
        variant="scored",
    ),
    Operation(
        "local_contour",
        _boundary,
        lambda boundary, window: _finite(ops.local_contour(boundary, window)),
        lambda boundary, window: _finite(brute_force.local_contour(boundary, window)),
        lambda boundary, window: _finite(oracle.local_contour(boundary, window)),
    ),
    Operation(
        "local_filter",
        _scores_and_weights,
        ops.local_filter,
        brute_force.local_filter,
        oracle.local_filter,
        (
            {"passes": 1, "normalize": False},
            {"passes": 3, "normalize": True},
        ),
    ),
    Operation(
        "embedding_loss",
        _embedding_and_labels,
        ops.embedding_loss,
        brute_force.embedding_loss,
        oracle.embedding_loss,
        (
            {"norm": 1, "stride": 1},
            {"norm": 2, "stride": 2, "balance": "parity"},
            {"norm": 1, "stride": 1, "balance": "parity", "reduction": "sum"},
            {"norm": 1, "stride": 3, "reduction": "sum", "near": 1.0, "far": 3.0},
        ),
        gathers=False,
    ),
    Operation(
        "joint_upsample",
        _value_features_and_hardness,
        lambda value, features, hardness, window, **options: ops.joint_upsample(value, features, hardness, **options),
        lambda value, features, hardness, window, **options: brute_force.joint_upsample(
            value, features, float(hardness), **options
        ),
        lambda value, features, hardness, window, **options: oracle.joint_upsample(
            value, features, hardness, **options
        ),
        ({"norm": 1}, {"norm": 2}),
        gathers=False,
    ),
)
