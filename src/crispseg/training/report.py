"""Report the progress of a run, and write its weights at every validation."""

import json
import sys
import time
from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Callback, RichProgressBar
from rich.console import Console

from crispseg.training.task import Task

LOG = "validation.jsonl"


class ValidationReport(Callback):
    """Write the weights and the measurements at every validation, and print the measurements.

    Args:
        output: Folder to write to.
        resume: Whether to continue the log of an earlier part of the run.
    """

    def __init__(self, output: Path, *, resume: bool = False) -> None:
        self.output = output
        self.last = (time.monotonic(), _last_step(output / LOG) if resume else 0)
        """Time and step of the last validation."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        self.last = (time.monotonic(), trainer.global_step)

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write the weights and the measurements, and print the measurements."""
        if not isinstance(pl_module, Task):
            raise TypeError(f"reports on {type(pl_module)}; expected a Task")
        measured = {name: round(share, 4) for name, share in pl_module.measured().items()}
        pl_module.log_dict(measured, prog_bar=True, rank_zero_only=True)
        started, step = self.last
        rate = (time.monotonic() - started) / max(trainer.global_step - step, 1)
        self.last = (time.monotonic(), trainer.global_step)
        if not trainer.is_global_zero:
            return
        pl_module.save(self.output / pl_module.weights_file, steps=str(trainer.global_step))
        with (self.output / LOG).open("a") as log:
            log.write(json.dumps({"step": trainer.global_step, **measured}) + "\n")
        said = ", ".join(f"{name} {100 * share:.1f} %" for name, share in measured.items())
        line = f"step {trainer.global_step} of {trainer.max_steps}, {rate:.2f} s a step: {said}"
        if not sys.stdout.isatty():  # a terminal has the progress bar
            Console(highlight=False).print(line, soft_wrap=True)


class StepsProgressBar(RichProgressBar):
    """Lightning's progress bar, one for each interval between two checkpoints, labelled with its steps."""

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Return what was logged, without the version of the logger."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

    def _get_train_description(self, current_epoch: int) -> str:
        before, most = self.trainer.global_step, self.trainer.max_steps
        last = min(before + int(self.total_train_batches) // self.trainer.accumulate_grad_batches, most)
        return f"Steps {before + 1} to {last} of {most}"


def _last_step(log: Path) -> int:
    """Return the step of the last line of a log; 0 if the log has none."""
    try:
        return int(json.loads(log.read_text().splitlines()[-1])["step"])
    except Exception:  # there is none, the run was killed amid writing, or it is something else
        return 0
