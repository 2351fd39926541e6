"""Learning rate schedules that follow the length of the run; those of `torch.optim.lr_scheduler` can be used too.

PyTorch's own schedules are given their steps as numbers. These two take the number of steps from the run, so that
`--steps` on the command line stretches them too.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler, ReduceLROnPlateau

from crispseg.errors import InputError, one_line
from crispseg.value_checks import check_not_negative

ScheduleCallable = Callable[[Optimizer], LRScheduler]
"""Makes the schedule of an optimiser, such as `functools.partial(torch.optim.lr_scheduler.StepLR, step_size=2000)`.

In a config: `{class_path: torch.optim.lr_scheduler.StepLR, init_args: {step_size: 2000}}`.
"""


class RunSchedule(LambdaLR, ABC):
    """A factor of the learning rate that depends on the step and on the number of steps of the run.

    Args:
        optimizer: Its learning rates at construction are what the factor multiplies.
    """

    steps: int = 1
    """Steps of the run. The task sets it before the first step."""

    def __init__(self, optimizer: Optimizer) -> None:
        super().__init__(optimizer, lambda step: self.factor(step, self.steps))

    @abstractmethod
    def factor(self, step: int, steps: int) -> float:
        """Return the factor at step number `step`, counted from 0, of `steps`."""

    def state_dict(self) -> dict[str, Any]:
        """Return the state without the number of steps: a resumed run may be longer."""
        state = super().state_dict()
        state.pop("steps", None)
        return state


class Cosine(RunSchedule):
    """Rise linearly, then fall to 0 along half a cosine.

    Args:
        optimizer: The optimiser.
        warmup: Steps over which the rate rises.

    Example:
        >>> import torch
        >>> schedule = Cosine(torch.optim.SGD([torch.zeros(1)]))
        >>> [round(schedule.factor(step, 4), 3) for step in range(5)]
        [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, optimizer: Optimizer, warmup: int = 0) -> None:
        check_not_negative("warmup", warmup)
        self.warmup = warmup
        super().__init__(optimizer)

    def factor(self, step: int, steps: int) -> float:
        """See `RunSchedule`."""
        rising = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return rising * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))


class Poly(RunSchedule):
    """(1 - step / steps) to a power, as later DeepLabs train (Chen et al. 2018, sec. 4.1.2).

    Args:
        optimizer: The optimiser.
        power: The power; 0 keeps the rate as it is.

    Example:
        >>> import torch
        >>> Poly(torch.optim.SGD([torch.zeros(1)]), power=1).factor(1, 4)
        0.75
    """

    def __init__(self, optimizer: Optimizer, power: float = 0.9) -> None:
        check_not_negative("power", power)
        self.power = power
        super().__init__(optimizer)

    def factor(self, step: int, steps: int) -> float:
        """See `RunSchedule`."""
        return float(max(1 - step / steps, 0.0) ** self.power)


def build_schedule(make: ScheduleCallable, optimizer: Optimizer, steps: int) -> LRScheduler:
    """Return the schedule of an optimiser in a run of `steps` steps.

    Raises:
        InputError: If the schedule refuses its arguments, or requires a metric at every step.
    """
    try:
        schedule = make(optimizer)
    except InputError:
        raise
    except (TypeError, ValueError) as error:  # PyTorch's words for a value that makes no sense
        raise InputError(f"schedule: {one_line(error)}; give it arguments that it takes") from error
    if isinstance(schedule, ReduceLROnPlateau):
        raise InputError(
            "schedule is ReduceLROnPlateau, which needs a metric; expected one that follows the steps alone, such as "
            "torch.optim.lr_scheduler.StepLR"
        )
    if isinstance(schedule, RunSchedule):
        schedule.steps = steps
    return schedule
