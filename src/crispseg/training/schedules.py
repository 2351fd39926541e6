"""How the learning rate changes over a run."""

import math
from typing import Protocol

from crispseg.checks import check_count, check_not_negative, check_positive


class Schedule(Protocol):
    """What the learning rate is multiplied with at a step."""

    def factor(self, step: int, steps: int) -> float:
        """The factor of step number `step`, counted from 0, of `steps`."""
        ...


class Cosine:
    """Rise linearly, then fall to 0 along half a cosine.

    Args:
        warmup: Steps over which the rate rises.

    Example:
        >>> [round(Cosine(warmup=0).factor(step, 4), 3) for step in range(5)]
        [1.0, 0.854, 0.5, 0.146, 0.0]
    """

    def __init__(self, warmup: int = 0) -> None:
        check_not_negative("warmup", warmup)
        self.warmup = warmup

    def factor(self, step: int, steps: int) -> float:
        """See `Schedule`."""
        rising = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return rising * 0.5 * (1 + math.cos(math.pi * min(step / steps, 1)))


class Stairs:
    """Multiply the rate every so many steps: DeepLab's and HED's "step" policy.

    Args:
        every: Steps between two changes.
        ratio: What the rate is multiplied with at each.

    Example:
        >>> [Stairs(every=2).factor(step, 6) for step in range(4)]
        [1.0, 1.0, 0.1, 0.1]
    """

    def __init__(self, every: int, ratio: float = 0.1) -> None:
        check_count("every", every)
        check_positive("ratio", ratio)
        self.every = every
        self.ratio = ratio

    def factor(self, step: int, steps: int) -> float:
        """See `Schedule`."""
        del steps
        return float(self.ratio ** (step // self.every))


class Poly:
    """(1 - step / steps) to a power, as later DeepLabs train (Chen et al. 2018, sec. 4.1.2).

    Args:
        power: The power; 0 keeps the rate as it is.

    Example:
        >>> Poly(power=1).factor(1, 4)
        0.75
    """

    def __init__(self, power: float = 0.9) -> None:
        check_not_negative("power", power)
        self.power = power

    def factor(self, step: int, steps: int) -> float:
        """See `Schedule`."""
        return float(max(1 - step / steps, 0.0) ** self.power)
