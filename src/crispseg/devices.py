"""The device that a name stands for, and the dtypes that a network may have there."""

import logging

import torch

from crispseg.compatibility import best_device
from crispseg.errors import InputError

_log = logging.getLogger(__name__)


def choose_device(name: str | None) -> torch.device:
    """Return the device of a name, or the best one if no name is given.

    Raises:
        InputError: If this machine does not have the device.
    """
    return best_device() if name is None else usable_device(name)


def usable_device(name: torch.device | str) -> torch.device:
    """Return the device of a name, after a check that this machine has it.

    Raises:
        InputError: If it does not.
    """
    try:
        device = torch.empty(0, device=name).device
    except (RuntimeError, AssertionError, ImportError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device {str(name)!r} cannot be used here ({reason}); choose one that `crispseg info` lists"
        ) from error
    if device.type == "meta":
        raise InputError("device 'meta' cannot compute; choose one that `crispseg info` lists")
    return device


def checked_dtype(dtype: object) -> torch.dtype:
    """Return a floating-point dtype of PyTorch as it is.

    Raises:
        InputError: If it is anything else.
    """
    if isinstance(dtype, torch.dtype) and dtype.is_floating_point:
        return dtype
    raise InputError(f"dtype is {dtype!r}; expected torch.float32, torch.bfloat16 or torch.float16")


def has_bfloat16() -> bool:
    """Return whether PyTorch has fast bfloat16 convolutions on this processor; others compute them without vectors."""
    supported = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)  # which builds without oneDNN lack
    return supported is not None and bool(supported())


def warn_without_bfloat16() -> None:
    """Warn in the log if bfloat16 is slow on this processor."""
    if not has_bfloat16():
        _log.warning("this processor has no bfloat16: convolutions take tens of times as long as in float32")
