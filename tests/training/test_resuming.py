"""Resumed runs refuse what their checkpoint would replace in silence."""

from functools import partial
from pathlib import Path

import pytest
import torch

from crispseg import InputError
from crispseg.single_writer import only_writer
from crispseg.training import Cosine, Poly
from crispseg.training.schedules import ScheduleCallable
from crispseg.training.task import LearningOptions
from tests.fakes import write_folder
from tests.training.runs import run


def test_a_damaged_checkpoint_is_said_to_be_damaged(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "last.ckpt").write_bytes(b"half a checkpoint")
    with pytest.raises(InputError, match=r"last.ckpt: damaged"):
        run(root, tmp_path / "run", steps=2, resume=True)


CHANGES: dict[str, tuple[LearningOptions, str]] = {
    "the rate": ({"optimizer": partial(torch.optim.Adam, lr=0.1)}, "lr is 0.1, and 0.001 in the checkpoint"),
    "the decay": ({"optimizer": partial(torch.optim.Adam, weight_decay=0.1)}, "weight_decay is 0.1, and 0 in"),
    "the optimiser": ({"optimizer": partial(torch.optim.SGD, lr=0.001)}, "betas is None"),
    "the factor of a rate": ({"rates": {"*": 2}}, "lr is 0.002, and 0.001 in"),
    "the schedule": ({"schedule": partial(Cosine, warmup=5)}, "warmup is 5, and 50 in the checkpoint"),
    "the kind of schedule": ({"schedule": Poly}, "schedule is Poly, and the checkpoint"),
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `data`, and with `run`, a run of two steps; a refused run leaves it as it is."""
    folder = tmp_path_factory.mktemp("trained")
    run(write_folder(folder / "data"), folder / "run", steps=2)
    return folder


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_resumed_run_would_ignore_is_refused(change: str, trained: Path) -> None:
    """The checkpoint's learning rate counted in silence."""
    before = (trained / "run" / "last.ckpt").read_bytes()
    learning, message = CHANGES[change]
    with pytest.raises(InputError, match=message):
        run(trained / "data", trained / "run", steps=4, resume=True, **learning)
    assert (trained / "run" / "last.ckpt").read_bytes() == before


def test_a_checkpoint_of_another_network_is_said_to_be_one(trained: Path) -> None:
    with pytest.raises(InputError, match="the checkpoint is of another network or other rates"):
        run(trained / "data", trained / "run", steps=4, resume=True, dim=5)


def test_another_schedule_without_options_of_its_own_is_refused(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    run(root, tmp_path / "run", steps=2, schedule=Poly)
    with pytest.raises(InputError, match="schedule is Cosine, and the checkpoint"):
        run(root, tmp_path / "run", steps=4, resume=True, schedule=Cosine)


@pytest.mark.parametrize(
    "schedule",
    [
        partial(torch.optim.lr_scheduler.OneCycleLR, max_lr=0.01, total_steps=9),
        partial(torch.optim.lr_scheduler.MultiStepLR, milestones=[1, 3]),
        partial(torch.optim.lr_scheduler.CosineAnnealingWarmRestarts, T_0=2),
    ],
)
def test_what_a_schedule_moves_does_not_hinder_a_resumed_run(schedule: ScheduleCallable, tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    run(root, tmp_path / "run", steps=2, schedule=schedule)
    run(root, tmp_path / "run", steps=4, resume=True, schedule=schedule)


def test_another_run_with_the_same_output_is_refused(tmp_path: Path) -> None:
    root, output = write_folder(tmp_path / "data"), tmp_path / "run"
    with only_writer(output), pytest.raises(InputError, match="another run is writing to it"):
        run(root, output, steps=2)
    assert not list(output.glob("*"))
