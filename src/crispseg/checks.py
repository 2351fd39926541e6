"""Checks of arguments: each names the argument, what was given and what was expected."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.window import Window

_LARGEST = 1e30
_LARGEST_COUNT = 2**31 - 1
MOST_PASSES = 10_000
"""Of the filter: its result has long stopped to change."""

_PLAIN_TENSORS = (Tensor, torch.nn.Parameter)


def has_values() -> bool:
    """Whether tensors have values that can be looked at: not where PyTorch traces or a CUDA graph is captured."""
    if torch.compiler.is_compiling():
        return False
    return not (torch.cuda.is_available() and torch.cuda.is_current_stream_capturing())


def value_range(values: Tensor) -> tuple[float, float]:
    """The least and the largest value, both NaN where one is, in one look at them; 0 and 0 of none."""
    if not values.numel():
        return 0.0, 0.0
    low, high = torch.stack(torch.aminmax(values.detach())).tolist()
    return low, high


def is_finite(values: Tensor) -> bool:
    """Whether no value is NaN or infinite."""
    return all(map(math.isfinite, value_range(values)))


def check_map(name: str, value: Tensor) -> None:
    """A floating-point (N, channels, H, W) tensor."""
    if value.ndim != 4:
        raise InputError(f"{name} has shape {tuple(value.shape)}; expected 4 dimensions (N, channels, H, W)")
    if not value.is_floating_point():
        raise TypeError(f"{name} is {value.dtype}; expected a floating-point tensor: convert it with .float()")


def check_image(image: Tensor) -> None:
    """A floating-point (N, 3, H, W) tensor."""
    check_map("image", image)
    if image.shape[1] != 3:
        raise InputError(f"image has {image.shape[1]} channels; expected (N, 3, H, W), RGB in [0, 1]")


def check_labels(labels: Tensor) -> None:
    """An integer (N, H, W) tensor of numbers that int64 holds."""
    if labels.ndim != 3:
        raise InputError(f"labels have shape {tuple(labels.shape)}; expected 3 dimensions (N, H, W)")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype in (torch.bool, torch.uint64):
        raise TypeError(
            f"labels are {labels.dtype}; expected whole numbers that int64 holds: convert them with .long()"
        )


def check_window(value: object) -> None:
    """A `Window`."""
    if not isinstance(value, Window):
        raise TypeError(f"window is {value!r}; expected a Window such as crispseg.Window(9)")


def check_same_grid(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """The same batch size, height, width and device."""
    ours, theirs = (value.shape[0], *value.shape[-2:]), (other.shape[0], *other.shape[-2:])
    if ours != theirs:
        raise InputError(f"{name} has (N, H, W) = {ours}, {other_name} {theirs}; expected the same")
    if value.device != other.device:
        raise InputError(f"{name} is on {value.device}, {other_name} on {other.device}; move both to one device")


def check_window_axis(name: str, value: Tensor, window: Window) -> None:
    """A (N, K, H, W) tensor with one channel a neighbour."""
    if value.shape[1] != window.count:
        raise InputError(
            f"{name} has {value.shape[1]} channels; expected {window.count}, one for each neighbour of {window}"
        )


def check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    """One of a few values."""
    if value not in choices or (isinstance(value, bool) and not any(isinstance(choice, bool) for choice in choices)):
        raise InputError(f"{name} is {value!r}; expected one of {', '.join(map(repr, choices))}")


def check_allowed(name: str, value: object, allowed: Sequence[object]) -> None:
    """One of a few values, or a whole number of a range; of their type too, so that True is no 1 and 2.0 no 2."""
    if type(value) is type(allowed[0]) and value in allowed:
        return
    if isinstance(allowed, range):
        kind = "an odd number" if allowed.step == 2 else "a whole number"
        raise InputError(f"{name} is {value!r}; expected {kind} from {allowed[0]} to {allowed[-1]}")
    raise InputError(f"{name} is {value!r}; expected one of {', '.join(map(repr, allowed))}")


def check_count(name: str, value: int, most: int = _LARGEST_COUNT) -> None:
    """A whole number of at least 1, and at most as many."""
    if not _is_whole(value) or value < 1:
        raise InputError(f"{name} is {value!r}; expected a whole number of 1 or more")
    if value > most:
        raise InputError(f"{name} is {value}; expected at most {most}")


def check_natural(name: str, value: int) -> None:
    """A whole number of at least 0."""
    if not _is_whole(value) or value < 0:
        raise InputError(f"{name} is {value!r}; expected a whole number of 0 or more")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def check_positive(name: str, value: float) -> None:
    """A number above 0 that float32 holds."""
    if isinstance(value, bool) or not 0 < value <= _LARGEST:
        raise InputError(f"{name} is {value}; expected a number above 0 and up to {_LARGEST:g}")


def check_hardness(hardness: float | Tensor, name: str, value: Tensor) -> None:
    """A number above 0, or a floating-point tensor with one on the device of `value`.

    The value of a tensor is looked at only where that costs nothing: on the CPU, outside of a trace.
    """
    if not isinstance(hardness, Tensor):
        check_positive("hardness", hardness)
        return
    if hardness.numel() != 1:
        raise InputError(f"hardness has shape {tuple(hardness.shape)}; expected one element")
    if not hardness.is_floating_point():
        raise TypeError(f"hardness is {hardness.dtype}; expected a floating-point tensor: convert it with .float()")
    if hardness.device != value.device:
        raise InputError(f"hardness is on {hardness.device}, {name} on {value.device}; move both to one device")
    if hardness.device.type == "cpu" and not torch.compiler.is_compiling() and type(hardness) in _PLAIN_TENSORS:
        check_positive("hardness", hardness.item())


def check_not_negative(name: str, value: float) -> None:
    """A finite number of at least 0."""
    if not 0 <= value <= _LARGEST:
        raise InputError(f"{name} is {value}; expected a number of 0 or more")


def check_guard(guard: float | None) -> None:
    """Refuse a guard that is neither None nor above 0 and up to 1."""
    if guard is not None and (isinstance(guard, bool) or not 0 < guard <= 1):
        raise InputError(f"guard is {guard}; expected a number above 0 and up to 1, such as 0.7, or None for no guard")


def check_pixel(pixel: tuple[int, int], image: Tensor) -> None:
    """Refuse an x, y that is not in a (3, H, W) image.

    Raises:
        InputError: If it is not.
    """
    (x, y), (height, width) = pixel, image.shape[-2:]
    if not (0 <= x < width and 0 <= y < height):
        raise InputError(f"pixel {x},{y} lies outside the image; expected x below {width} and y below {height}")
