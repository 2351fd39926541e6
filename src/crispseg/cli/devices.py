"""The device that an option names."""

import torch

from crispseg.errors import InputError


def choose_device(name: str | None) -> torch.device:
    """Return the device of a name, or the best there is.

    Raises:
        InputError: If there is no such device here.
    """
    if name is None:
        return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    try:
        device = torch.empty(0, device=name).device
        if device.type == "meta":
            raise InputError("device 'meta' holds no numbers; `crispseg info` lists devices")
        return device
    except (RuntimeError, AssertionError, ImportError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"device {name!r} cannot be used here ({reason}); `crispseg info` lists devices") from error
