"""Time of a call."""

import time
from collections.abc import Callable

import torch


def milliseconds(call: Callable[[], object], device: torch.device) -> float:
    """How long a call takes, all work on the device done."""
    _wait(device)
    start = time.perf_counter()
    call()
    _wait(device)
    return 1000 * (time.perf_counter() - start)


def _wait(device: torch.device) -> None:
    if device.type != "cpu":
        torch.accelerator.synchronize(device)
