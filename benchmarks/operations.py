"""Time the operations that cost time against what `torch.nn.functional.unfold` gives, on one input in one run.

    make bench

float32, one image of 321×321, 9×9 window, 64-d embedding, 21 score channels; medians.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from rich.console import Console
from rich.table import Table
from torch import Tensor

from crispseg import Window, ops

SIZE = 321
WINDOW = Window(9)
HARDNESS = 3.0
PASSES = 7
RUNS = 3


def unfold_distance(embedding: Tensor) -> Tensor:
    """What a user would write: all neighbours side by side, then the difference."""
    columns = F.unfold(embedding, WINDOW.size, padding=WINDOW.radius)
    neighbours = columns.reshape(1, embedding.shape[1], WINDOW.count, SIZE, SIZE)
    return (neighbours - embedding[:, :, None]).abs().sum(1)


def unfold_filter(scores: Tensor, weights: Tensor) -> Tensor:
    """The same for the filter."""
    columns = F.unfold(scores, WINDOW.size, padding=WINDOW.radius)
    neighbours = columns.reshape(1, scores.shape[1], WINDOW.count, SIZE, SIZE)
    return (neighbours * weights[:, None]).sum(2) / weights.sum(1, keepdim=True)


def unfold_loss(embedding: Tensor, labels: Tensor) -> Tensor:
    """The same for the loss."""
    parity, valid = ops.local_parity(labels, WINDOW)
    distance = unfold_distance(embedding)
    hinge = torch.where(parity, distance - 0.5, 2.0 - distance).clamp(min=0)
    return hinge[valid].mean()


def milliseconds(function: Callable[[], object]) -> float:
    """Median time after one warm-up."""
    function()
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    """Measure and print the table."""
    rng = torch.Generator().manual_seed(0)
    embedding = torch.rand(1, 64, SIZE, SIZE, generator=rng)
    scores = torch.rand(1, 21, SIZE, SIZE, generator=rng)
    labels = torch.randint(0, 3, (1, SIZE, SIZE), generator=rng)
    weights = ops.affinity_weights(embedding, WINDOW, HARDNESS)
    leaf = embedding.clone().requires_grad_()
    rows: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "local_distance": (
            lambda: ops.local_distance(embedding, WINDOW),
            lambda: unfold_distance(embedding),
        ),
        "affinity_weights": (
            lambda: ops.affinity_weights(embedding, WINDOW, HARDNESS),
            lambda: torch.exp(-HARDNESS * unfold_distance(embedding)),
        ),
        f"local_filter, {PASSES} passes": (
            lambda: ops.local_filter(scores, weights, WINDOW, iterations=PASSES),
            lambda: [unfold_filter(scores, weights) for _ in range(PASSES)],
        ),
        "embedding_loss, forward and backward": (
            lambda: ops.embedding_loss(leaf, labels, WINDOW).backward(),
            lambda: unfold_loss(leaf, labels).backward(),
        ),
    }
    table = Table(title=f"milliseconds on {torch.get_num_threads()} threads, PyTorch {torch.__version__}")
    for column in ("operation", "crispseg", "with unfold", "ratio"):
        table.add_column(column, justify="left" if column == "operation" else "right")
    for name, (ours, theirs) in rows.items():
        fast, slow = milliseconds(ours), milliseconds(theirs)
        table.add_row(name, f"{fast:.0f}", f"{slow:.0f}", f"{slow / fast:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
