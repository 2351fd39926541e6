"""The floating-point dtypes to compute in, and their digits."""

import torch
from torch import Tensor

_WITHOUT_FLOAT64 = {"mps"}
"""Device types that have no float64."""


def widest(device: torch.device) -> torch.dtype:
    """Return the widest floating-point dtype of a device: float64, or float32 if the device has no float64.

    Example:
        >>> widest(torch.device("cpu")), widest(torch.device("mps"))
        (torch.float64, torch.float32)
    """
    return torch.float32 if device.type in _WITHOUT_FLOAT64 else torch.float64


def at_least_float32(*tensors: Tensor | None) -> torch.dtype:
    """Return the widest dtype of some tensors, or float32 if that is wider; None has no dtype.

    Example:
        >>> at_least_float32(torch.zeros(2).half(), None), at_least_float32(torch.zeros(2), torch.zeros(2).double())
        (torch.float32, torch.float64)
    """
    widest = torch.float32
    for tensor in tensors:
        widest = widest if tensor is None else torch.promote_types(widest, tensor.dtype)
    return widest


def shortest(value: Tensor) -> float:
    """Return the float with the fewest digits that rounds to a float32.

    Example:
        >>> shortest(torch.tensor(7.3)), torch.tensor(7.3).item()
        (7.3, 7.300000190734863)
    """
    return float(str(value.float().numpy(force=True)))
