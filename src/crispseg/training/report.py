"""What a run leaves behind at every validation."""

import json
import sys
import time
from pathlib import Path

import lightning
from lightning.pytorch.callbacks import Callback
from rich.console import Console

from crispseg.models.embedding_net import save_embedding_net
from crispseg.training.task import EmbeddingTask

WEIGHTS = "embedding.safetensors"
LOG = "validation.jsonl"


class ValidationReport(Callback):
    """Write the weights that a `Sharpener` loads and the shares that were measured, and say them.

    Args:
        output: Folder to write to.
    """

    def __init__(self, output: Path) -> None:
        self.output = output
        self.last = (time.monotonic(), 0)
        """Time and step of the last validation."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        self.last = (time.monotonic(), trainer.global_step)

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Write and say."""
        if not isinstance(pl_module, EmbeddingTask):
            raise TypeError(f"reports on {type(pl_module)}; expected an EmbeddingTask")
        shares = {name: round(share, 4) for name, share in pl_module.shares().items()}
        save_embedding_net(pl_module.network, self.output / WEIGHTS, steps=str(trainer.global_step))
        with (self.output / LOG).open("a") as log:
            log.write(json.dumps({"step": trainer.global_step, **shares}) + "\n")
        started, step = self.last
        rate = (time.monotonic() - started) / max(trainer.global_step - step, 1)
        self.last = (time.monotonic(), trainer.global_step)
        if not sys.stdout.isatty():  # a terminal has the progress bar
            said = ", ".join(f"{name} {100 * share:.1f} %" for name, share in shares.items())
            line = f"step {trainer.global_step} of {trainer.max_steps}, {rate:.2f} s a step: {said}"
            Console(highlight=False).print(line, soft_wrap=True)
