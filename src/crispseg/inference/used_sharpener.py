"""Take the sharpener of a call, or the default one."""

from functools import cache
from typing import Any

import torch

from crispseg.devices import usable_device
from crispseg.errors import InputError
from crispseg.inference.sharpener import Sharpener


def check_sharpener(sharpener: object) -> None:
    """Refuse anything but a sharpener.

    Raises:
        TypeError: If it is something else.
    """
    if not isinstance(sharpener, Sharpener):
        raise TypeError(f"sharpener is {type(sharpener).__name__}; expected a crispseg.Sharpener")


def used_sharpener(sharpener: Sharpener | None, device: torch.device | str | None, **options: Any) -> Sharpener:  # noqa: ANN401 - those of a sharpener
    """Return the given sharpener, or `Sharpener.from_pretrained(device=device, **options)` if it is None.

    Raises:
        InputError: If there is both a sharpener and a device, or the device does not exist.
        TypeError: If the sharpener is something else.
    """
    if sharpener is None:
        return _default(usable_device(device or "cpu"), **options)
    check_sharpener(sharpener)
    if device is not None:
        raise InputError(
            f"device is {device}, beside a sharpener; expected one of them: move it by sharpener.to(device)"
        )
    return sharpener


@cache
def _default(device: torch.device, **options: Any) -> Sharpener:  # noqa: ANN401 - likewise
    return Sharpener.from_pretrained(device=device, **options)
