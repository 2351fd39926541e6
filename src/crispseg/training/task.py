"""What every kind of training has in common: a network, how it learns, and how it is measured."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from crispseg.errors import InputError
from crispseg.training.optimizers import Optimizer
from crispseg.training.schedules import Schedule

Batch = tuple[Tensor, Tensor]
"""(N, 3, H, W) images in [0, 1] and (N, H, W) labels."""


class Task(LightningModule, ABC):
    """Train a network.

    Args:
        network: What learns.
        optimizer: How its parameters change.
        schedule: How the learning rate does.
    """

    weights_file: str
    """Name of the file that a run leaves the weights in."""
    num_classes: int | None = None
    """Labels are 0 … classes - 1 and the ignored one; any where this is None."""

    def __init__(self, network: nn.Module, optimizer: Optimizer, schedule: Schedule) -> None:
        super().__init__()
        # Before processes are joined: those that share gradients must know which parameters have one.
        optimizer.freeze(network)
        self.network = network
        self.optimizer = optimizer
        self.schedule = schedule
        self.seed = 0
        """What a step draws depends on this and on its number alone, so that a resumed run draws what it would have."""
        self.val_names: list[str] = []
        """A name for each validation data set."""

    @abstractmethod
    def loss_of(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss, weighted; their sum is what is minimised."""

    @abstractmethod
    def start_measuring(self) -> None:
        """Forget what was measured."""

    @abstractmethod
    def measure(self, batch: Batch, data: int) -> None:
        """Measure a batch of a validation data set."""

    @abstractmethod
    def measured(self) -> Mapping[str, float]:
        """What was measured on all processes, by data set and kind, as shares between 0 and 1."""

    @abstractmethod
    def save(self, path: Path, **metadata: str) -> None:
        """Write the network's weights as safetensors."""

    def total(self, counts: Tensor) -> Tensor:
        """Counts added up over all processes."""
        return self.trainer.strategy.reduce(counts.to(self.device), reduce_op="sum").cpu()

    def on_fit_start(self) -> None:
        self.network.train()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._check_network(checkpoint)
        # Checkpoints are written at the end of an epoch, which Lightning, unless it validated there, takes for its
        # middle: it would make one more batch before it starts the next.
        loops = checkpoint["loops"]["fit_loop"]
        for progress in (loops["epoch_progress"]["total"], loops["epoch_progress"]["current"]):
            progress["completed"] = progress["processed"]
        batches = loops["epoch_loop.batch_progress"]
        batches["current"] = dict.fromkeys(batches["current"], 0)
        batches["is_last_batch"] = False

    def _check_network(self, checkpoint: dict[str, Any]) -> None:
        def shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
            return {name: value.shape for name, value in state.items()}

        def sizes(groups: list[dict[str, Any]]) -> list[int]:
            return [len(group["params"]) for group in groups]

        learned = [sizes(state["param_groups"]) for state in checkpoint["optimizer_states"]]
        learns = sizes(self.optimizer.build(self.network).param_groups)
        if shapes(checkpoint["state_dict"]) != shapes(self.state_dict()) or learned != [learns]:
            raise InputError(
                "the checkpoint is of another network or other rates; resume with the config that the run began with, "
                "or choose another output"
            )

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        place = self.trainer.fit_loop.epoch_loop.total_batch_idx * self.trainer.world_size + self.global_rank
        torch.manual_seed(self.seed * 1_000_003 + place)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        terms = self.loss_of(batch)
        total = torch.stack(list(terms.values())).sum()
        for name, term in terms.items():
            self.log(f"loss/{name}", term, prog_bar=len(terms) == 1)
        if len(terms) > 1:
            self.log("loss", total, prog_bar=True)
        return total

    def on_validation_epoch_start(self) -> None:
        self.start_measuring()

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.measure(batch, dataloader_idx)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own type is a union of a dozen
        optimizer = self.optimizer.build(self.network)
        schedule = LambdaLR(optimizer, lambda step: self.schedule.factor(step, self.trainer.max_steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
