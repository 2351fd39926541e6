"""What precision a device has."""

import torch

_WITHOUT_FLOAT64 = {"mps"}
"""Types of devices on which a float64 tensor is an error."""


def widest(device: torch.device) -> torch.dtype:
    """Return the widest floating-point dtype of a device: float64, or float32 where there is none.

    Example:
        >>> widest(torch.device("cpu")), widest(torch.device("mps"))
        (torch.float64, torch.float32)
    """
    return torch.float32 if device.type in _WITHOUT_FLOAT64 else torch.float64
