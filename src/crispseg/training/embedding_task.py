"""An embedding network under the paper's losses (sec. 3.1 and 4.1)."""

from collections.abc import Mapping
from copy import copy
from dataclasses import astuple
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from crispseg.checks import check_not_negative
from crispseg.data.labels import shrink_labels
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError
from crispseg.metrics.pairs import PairCounts, count_pairs
from crispseg.models import EmbeddingNet
from crispseg.models.saving import save_network
from crispseg.nn import EmbeddingLoss
from crispseg.training.optimizers import OptimizerCallable
from crispseg.training.schedules import Cosine, ScheduleCallable
from crispseg.training.task import Batch, Task

_VALIDATION_STRIDE = 4


_CONVENTION = 255
"""Label that losses ignore by default."""


def ignoring_void(loss: EmbeddingLoss) -> EmbeddingLoss:
    """The same loss, ignoring what data sets give void.

    Raises:
        InputError: If it was told to ignore another label: data sets have a region of that number.
    """
    if loss.ignore_index not in (_CONVENTION, IGNORE_INDEX):
        raise InputError(
            f"the loss ignores label {loss.ignore_index}; leave its ignore_index out, and declare `void` in the "
            "data sets"
        )
    loss = copy(loss)
    loss.ignore_index = IGNORE_INDEX
    return loss


class EmbeddingTask(Task):
    """Train an `EmbeddingNet`; measure the share of pairs on the right side of the margins, same and different.

    Args:
        network: The network.
        loss: Loss of the final embedding, and of the five layers behind it.
        side_weight: Weight of the loss at each of the five layers, at their own resolution; 0 leaves them out. The
            paper uses 1.
        optimizer: Makes the optimiser of the parameters; by default `torch.optim.Adam` at 1e-3.
        schedule: Makes the schedule of the learning rate; by default along a cosine to 0.
        rates: Factors of the learning rate by pattern of parameter names, of which the first that matches counts; 0
            leaves a parameter as it is.
        decays: Factors of the weight decay in the same way.

    Raises:
        InputError: If `side_weight` is negative, or the loss was told to ignore a label of its own.
    """

    weights_file = "embedding.safetensors"
    network: EmbeddingNet

    def __init__(
        self,
        network: EmbeddingNet,
        loss: EmbeddingLoss,
        *,
        side_weight: float = 0.0,
        optimizer: OptimizerCallable | None = None,
        schedule: ScheduleCallable | None = None,
        rates: dict[str, float] | None = None,
        decays: dict[str, float] | None = None,
    ) -> None:
        check_not_negative("side_weight", side_weight)
        optimizer = optimizer or partial(torch.optim.Adam, lr=1e-3)
        super().__init__(network, optimizer, schedule or Cosine, rates=rates, decays=decays)
        self.loss = ignoring_void(loss)
        self.side_weight = side_weight
        self.pairs: list[PairCounts] = []

    def loss_of(self, batch: Batch) -> dict[str, Tensor]:
        image, labels = batch
        embedding, taps = self.network.embed_with_taps(image)
        terms = {"final": self.loss(embedding, labels)}
        if self.side_weight:
            for name, tap in taps.items():
                side = self.loss(tap, shrink_labels(labels, tap.shape[-2], tap.shape[-1]))
                terms[name] = self.side_weight * side
        return terms

    def start_measuring(self) -> None:
        self.pairs = [PairCounts(0, 0, 0, 0) for _ in self.val_names]

    def measure(self, batch: Batch, data: int) -> None:
        image, labels = batch
        loss = self.loss
        self.pairs[data] += count_pairs(
            self.network(image),
            labels,
            loss.window,
            near=loss.near,
            far=loss.far,
            norm=loss.norm,
            stride=_VALIDATION_STRIDE,
            ignore_index=loss.ignore_index,
        )

    def measured(self) -> Mapping[str, float]:
        shares: dict[str, float] = {}
        for name, pairs in zip(self.val_names, self.pairs, strict=True):
            everywhere = PairCounts(*self.total(torch.tensor(astuple(pairs))).tolist())
            shares |= {f"{name}/same": everywhere.same_share, f"{name}/different": everywhere.different_share}
        return shares

    def save(self, path: Path, **metadata: str) -> None:
        save_network(self.network, path, **metadata)
