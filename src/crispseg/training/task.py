"""The base of every training task: a network, how it learns, and how it is measured."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict, Unpack

import torch
from lightning import LightningModule
from torch import Tensor, nn

from crispseg.errors import InputError
from crispseg.training.optimizers import OptimizerCallable, build_optimizer, freeze
from crispseg.training.resuming import check_learning
from crispseg.training.schedules import ScheduleCallable, build_schedule

Batch = tuple[Tensor, Tensor]
"""(N, 3, H, W) images in [0, 1] and (N, H, W) labels."""


class LearningOptions(TypedDict, total=False):
    """How a network learns.

    Args:
        optimizer: Makes the optimiser of the parameters; None for the default of the task.
        schedule: Makes the schedule of the learning rate, which advances after every step; None for the default of the
            task.
        rates: Factors of the learning rate by pattern of parameter names, of which the first that matches counts; 0
            leaves a parameter as it is.
        decays: Factors of the weight decay in the same way.
    """

    optimizer: OptimizerCallable | None
    schedule: ScheduleCallable | None
    rates: dict[str, float] | None
    decays: dict[str, float] | None


class Task(LightningModule, ABC):
    """Train a network.

    Args:
        network: The network.

    How it learns: see `LearningOptions`.

    Raises:
        InputError: If the optimiser or the schedule refuses its arguments, a factor is negative, a pattern matches no
            parameter, or no parameter is left to learn.
    """

    default_optimizer: OptimizerCallable
    default_schedule: ScheduleCallable
    weights_file: str
    """Name of the file that a run writes the weights to."""
    num_classes: int | None = None
    """Number of classes: labels are 0 … num_classes - 1, or void. None allows any label."""

    def __init__(self, network: nn.Module, **learning: Unpack[LearningOptions]) -> None:
        super().__init__()
        self.rates, self.decays = learning.get("rates") or {}, learning.get("decays") or {}
        # Before processes are joined: those that share gradients must know which parameters have one.
        freeze(network, self.rates, self.decays)
        self.network = network
        self.optimizer = learning.get("optimizer") or self.default_optimizer
        self.schedule = learning.get("schedule") or self.default_schedule
        build_schedule(self.schedule, self.build_optimizer(), 1)  # arguments that make no sense are refused here
        self.seed = 0
        """The random numbers of a step depend only on this and on its number, so a resumed run draws the same ones."""
        self.val_names: list[str] = []
        """A name for each validation data set."""

    @abstractmethod
    def loss_of(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted terms of the loss by name; their sum is minimised."""

    @abstractmethod
    def start_measuring(self) -> None:
        """Forget earlier measurements."""

    @abstractmethod
    def measure(self, batch: Batch, data: int) -> None:
        """Measure a batch of a validation data set."""

    @abstractmethod
    def measured(self) -> Mapping[str, float]:
        """Return the measurements of all processes by name, "data set/measure", as shares from 0 to 1."""

    @abstractmethod
    def save(self, path: Path, **metadata: str) -> None:
        """Write the network's weights as safetensors."""

    def usage(self, path: Path) -> str:
        """Return a sentence on how to use the weights that `save` wrote to a file."""
        return f"load it in your own code: safetensors.torch.load_model(network, {str(path)!r})"

    def total(self, counts: Tensor) -> Tensor:
        """Return counts added up over all processes."""
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
        optimizer = self.build_optimizer()
        learns = sizes(optimizer.param_groups)
        if shapes(checkpoint["state_dict"]) != shapes(self.state_dict()) or learned != [learns]:
            raise InputError(
                "the checkpoint is of another network or other rates; resume with the config of the original run, "
                "or choose another output"
            )
        check_learning(optimizer, build_schedule(self.schedule, optimizer, 1), checkpoint)

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

    def on_train_epoch_end(self) -> None:
        self._check_finite()  # before the checkpoint is written

    def on_validation_epoch_start(self) -> None:
        self._check_finite()  # before the weights are
        self.start_measuring()

    def _check_finite(self) -> None:
        weights = (value for value in self.network.state_dict().values() if value.is_floating_point())
        if not all(value.isfinite().all() for value in weights):
            raise InputError(
                f"training diverged: within {self.trainer.global_step} steps weights became NaN or infinity; lower the "
                "learning rate, and choose another output"
            )

    def validation_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        self.measure(batch, dataloader_idx)

    def build_optimizer(self) -> torch.optim.Optimizer:
        """Return a new optimiser of the network's parameters."""
        return build_optimizer(self.optimizer, self.network, self.rates, self.decays)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own type is a union of a dozen
        optimizer = self.build_optimizer()
        schedule = build_schedule(self.schedule, optimizer, self.trainer.max_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
