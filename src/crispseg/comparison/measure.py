"""Time of a call."""

import time
from collections.abc import Callable

import torch
from torch import Tensor


def timed(call: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, float]:
    """The result of a call and its milliseconds, all work on the device done."""
    _wait(device)
    start = time.perf_counter()
    result = call()
    _wait(device)
    return result, 1000 * (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
