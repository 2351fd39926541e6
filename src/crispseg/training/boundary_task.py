"""A boundary detector under its class-balanced loss (Xie & Tu 2015)."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Unpack

import torch
from torch import Tensor
from torch.optim.lr_scheduler import StepLR

from crispseg.data.sample import IGNORE_INDEX
from crispseg.models import HED
from crispseg.models.saving import save_network
from crispseg.nn import BoundaryLoss
from crispseg.training.task import Batch, LearningOptions, Task

_THRESHOLDS = 99


class BoundaryTask(Task):
    """Train `HED`; measure the best F-measure of single pixels over the thresholds.

    This F-measure does not tolerate a boundary that is a pixel off. It tracks the training, and is far below the
    benchmark's (`crispseg boundaries`), which matches boundaries within a tolerance.

    Args:
        network: The detector.
        loss: The loss of its side outputs and of their fusion.

    How it learns: see `LearningOptions`. By default with `torch.optim.SGD` at 1e-6, as the loss sums over pixels,
    and a tenth after every 10000 steps.
    """

    weights_file = "boundary.safetensors"
    default_optimizer = staticmethod(partial(torch.optim.SGD, lr=1e-6, momentum=0.9, weight_decay=2e-4))
    default_schedule = staticmethod(partial(StepLR, step_size=10_000))
    num_classes = 2
    network: HED

    def __init__(
        self,
        network: HED,
        loss: BoundaryLoss,
        **learning: Unpack[LearningOptions],
    ) -> None:
        super().__init__(network, **learning)
        self.loss = loss
        self.counts: list[Tensor] = []

    def loss_of(self, batch: Batch) -> dict[str, Tensor]:
        image, labels = batch
        return {"boundary": self.loss(self.network.logits(image), labels)}

    def start_measuring(self) -> None:
        self.counts = [torch.zeros(3, _THRESHOLDS, dtype=torch.int64) for _ in self.val_names]

    def measure(self, batch: Batch, data: int) -> None:
        image, labels = batch
        known = labels != IGNORE_INDEX
        found, true = self.network(image)[:, 0][known], labels[known] == 1
        for i in range(_THRESHOLDS):
            above = found > (i + 1) / (_THRESHOLDS + 1)
            hits = (above & true).sum()
            self.counts[data][:, i] += torch.stack([hits, above.sum(), true.sum()]).cpu()

    def measured(self) -> Mapping[str, float]:
        shares = {}
        for name, counts in zip(self.val_names, self.counts, strict=True):
            hits, found, true = self.total(counts).double()
            shares[f"{name}/pixel_f"] = float((2 * hits / (found + true).clamp(min=1)).max())
        return shares

    def save(self, path: Path, **metadata: str) -> None:
        save_network(self.network, path, **metadata)

    def usage(self, path: Path) -> str:
        return f"use it with: crispseg predict --weights {path}"
