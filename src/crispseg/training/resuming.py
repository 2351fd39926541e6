"""Refuse options of a resumed run that its checkpoint would replace in silence."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from crispseg.errors import InputError


def check_learning(optimizer: Optimizer, schedule: LRScheduler, checkpoint: Mapping[str, Any]) -> None:
    """Refuse options of the optimiser and the schedule that the checkpoint would replace in silence.

    Raises:
        InputError: If one of them is not that of the checkpoint.
    """
    saved = checkpoint["optimizer_states"][0]["param_groups"], checkpoint["lr_schedulers"][0]
    if _names(saved[1]) != _names(schedule.state_dict()):
        raise InputError(
            f"schedule is {type(schedule).__name__}, and the checkpoint, which --resume continues, has another one; "
            "resume with the config of the original run, or choose another output"
        )
    was, now = _options(*saved, schedule), _options(optimizer.param_groups, schedule.state_dict(), schedule)
    for name in now | was:
        # Options that are off differ between versions of PyTorch: some are None, 0, or not there.
        if (was.get(name) or None) != (now.get(name) or None):
            raise InputError(
                f"{name} is {now.get(name)}, and {was.get(name)} in the checkpoint, which --resume continues; "
                "resume with the config of the original run, or choose another output"
            )


def _names(schedule_state: Mapping[str, Any]) -> set[str]:
    """Return what a schedule keeps, without what only some versions of PyTorch do."""
    return {name for name in schedule_state if not name.startswith("_") and name != "verbose"}


def _options(
    groups: Iterable[Mapping[str, Any]], schedule_state: Mapping[str, Any], schedule: LRScheduler
) -> dict[str, Any]:
    """Return the options that do not change during a run, by name and group of parameters."""
    moved = {"params", "lr"} | ({"momentum", "betas"} if schedule_state.get("cycle_momentum") else set())
    options = {
        name.removeprefix("initial_") + (f" of parameter group {number}" if number else ""): value
        for number, group in enumerate(groups)
        for name, value in group.items()
        if name not in moved
    }
    arguments = inspect.signature(type(schedule).__init__).parameters.keys() - {"self", "last_epoch"}
    return options | {name: schedule_state[name] for name in sorted(arguments) if name in schedule_state}
