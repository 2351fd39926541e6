"""The progress of a training as a person sees it."""

from types import SimpleNamespace
from typing import Any, cast

import lightning
import pytest
from lightning.pytorch.callbacks import RichProgressBar

from crispseg.training.report import StepsProgressBar


def test_the_bar_counts_steps_and_shows_no_version_of_a_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    bar = StepsProgressBar()
    shown = {"loss": 0.5, "v_num": "log"}
    monkeypatch.setattr(RichProgressBar, "get_metrics", lambda *_: dict(shown))
    assert bar.get_metrics(cast(lightning.Trainer, None), cast(lightning.LightningModule, None)) == {"loss": 0.5}
    trainer: Any = SimpleNamespace(global_step=40, max_steps=100, accumulate_grad_batches=2)
    monkeypatch.setattr(StepsProgressBar, "trainer", trainer)
    for batches, last in ((40, 60), (400, 100)):
        monkeypatch.setattr(StepsProgressBar, "total_train_batches", batches)
        assert bar._get_train_description(current_epoch=1) == f"Steps 41 to {last} of 100"
