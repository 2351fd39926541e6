"""The device that an option names."""

import torch

from crispseg.compatibility import best_device
from crispseg.errors import InputError


def choose_device(name: str | None) -> torch.device:
    """Return the device of a name, or the best one if no name is given.

    Raises:
        InputError: If this machine does not have the device.
    """
    if name is None:
        return best_device()
    try:
        device = torch.empty(0, device=name).device
        if device.type == "meta":
            raise InputError("device 'meta' cannot compute; choose one that `crispseg info` lists")
        return device
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device {name!r} cannot be used here ({reason}); choose one that `crispseg info` lists"
        ) from error
