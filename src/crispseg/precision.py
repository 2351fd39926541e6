"""The widest floating-point dtype of a device."""

import torch

_WITHOUT_FLOAT64 = {"mps"}
"""Device types that have no float64."""


def widest(device: torch.device) -> torch.dtype:
    """Return the widest floating-point dtype of a device: float64, or float32 if the device has no float64.

    Example:
        >>> widest(torch.device("cpu")), widest(torch.device("mps"))
        (torch.float64, torch.float32)
    """
    return torch.float32 if device.type in _WITHOUT_FLOAT64 else torch.float64
