"""Checks of tensors. Each error names the argument, the value that was given and the value that was expected."""

import math
import operator
from collections.abc import Callable, Sequence
from typing import SupportsIndex

import torch
from torch import Tensor

from crispseg.compatibility import is_mapped, is_transformed
from crispseg.errors import InputError
from crispseg.value_checks import check_not_negative, check_positive
from crispseg.window import Window

_PLAIN_TENSORS = (Tensor, torch.nn.Parameter)


def has_values() -> bool:
    """Return whether the values of tensors can be read: not in a trace, in `torch.vmap`, or for a CUDA graph."""
    if torch.compiler.is_compiling() or is_mapped():
        return False
    return not (torch.cuda.is_available() and torch.cuda.is_current_stream_capturing())


def is_recorded(*values: object) -> bool:
    """Return whether PyTorch records what is done to some values: in a trace, in `torch.func`, or for a gradient."""
    if not has_values() or is_transformed():
        return True
    return torch.is_grad_enabled() and any(isinstance(value, Tensor) and value.requires_grad for value in values)


def value_range(values: Tensor) -> tuple[float, float]:
    """Return the smallest and the largest value, read in one pass.

    Both are NaN if any value is NaN, and 0 if there are no values.
    """
    if not values.numel():
        return 0.0, 0.0
    low, high = torch.stack(torch.aminmax(values.detach())).tolist()
    return low, high


def is_finite(values: Tensor) -> bool:
    """Return whether no value is NaN or infinite."""
    return all(map(math.isfinite, value_range(values)))


def check_map(name: str, value: Tensor) -> None:
    """Refuse anything but a floating-point (N, channels, H, W) tensor.

    Raises:
        InputError: If it does not have 4 dimensions.
        TypeError: If its dtype is not floating-point.
    """
    if value.ndim != 4:
        raise InputError(f"{name} has shape {tuple(value.shape)}; expected 4 dimensions (N, channels, H, W)")
    if not value.is_floating_point():
        raise TypeError(f"{name} is {value.dtype}; expected a floating-point tensor: convert it with .float()")


def check_image(image: Tensor) -> None:
    """Refuse anything but a floating-point (N, 3, H, W) tensor.

    Raises:
        InputError: If it has another shape.
        TypeError: If its dtype is not floating-point.
    """
    check_map("image", image)
    if image.shape[1] != 3:
        raise InputError(f"image has {image.shape[1]} channels; expected (N, 3, H, W), RGB in [0, 1]")


def check_output_size(size: object) -> None:
    """Refuse anything but a height and a width, both above 0.

    Raises:
        InputError: If it is not.
    """
    sides = size if isinstance(size, Sequence) else ()
    if len(sides) != 2 or not all(isinstance(side, SupportsIndex) and operator.index(side) >= 1 for side in sides):
        raise InputError(f"output_size is {size}; expected (height, width), both above 0")


def check_labels(labels: Tensor) -> None:
    """Refuse anything but an integer (N, H, W) tensor whose dtype fits into int64.

    Raises:
        InputError: If it does not have 3 dimensions.
        TypeError: If its dtype is not an integer that fits into int64.
    """
    if labels.ndim != 3:
        raise InputError(f"labels have shape {tuple(labels.shape)}; expected 3 dimensions (N, H, W)")
    if labels.is_floating_point() or labels.is_complex() or labels.dtype in (torch.bool, torch.uint64):
        raise TypeError(
            f"labels are {labels.dtype}; expected an integer dtype that fits into int64: convert them with .long()"
        )


def check_same_grid(name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Refuse two tensors that differ in batch size, height, width or device."""
    ours, theirs = (value.shape[0], *value.shape[-2:]), (other.shape[0], *other.shape[-2:])
    if ours != theirs:
        raise InputError(f"{name} has (N, H, W) = {ours}, {other_name} has {theirs}; expected the same")
    if value.device != other.device:
        raise InputError(f"{name} is on {value.device}, {other_name} on {other.device}; move both to the same device")


def check_window_axis(name: str, value: Tensor, window: Window) -> None:
    """Refuse a tensor that is not (N, K, H, W), with one channel for each neighbour of the window."""
    if value.shape[1] != window.count:
        raise InputError(
            f"{name} has {value.shape[1]} channels; expected {window.count}, one for each neighbour of window {window}"
        )


def check_hardness(hardness: float | Tensor, name: str, value: Tensor) -> None:
    """Refuse a hardness that is neither a number above 0 nor a one-element float tensor on the device of `value`.

    Raises:
        InputError: If it is not above 0, has several elements, or is on another device.
        TypeError: If it is a tensor of another dtype.
    """
    _check_scalar("hardness", hardness, check_positive, name, value)


def check_score_weight(score_weight: float | Tensor, name: str, value: Tensor) -> None:
    """Refuse a score weight that is neither a number of at least 0 nor such a one-element tensor on the same device.

    Raises:
        InputError: If it is below 0, NaN or infinite, has several elements, or is on another device.
        TypeError: If it is a tensor of another dtype.
    """
    _check_scalar("score_weight", score_weight, check_not_negative, name, value)


def _check_scalar(
    name: str, scalar: float | Tensor, check: Callable[[str, float], None], other_name: str, other: Tensor
) -> None:
    """Check a number, or the form of a tensor that may be learned.

    The value of a tensor is read only where that costs nothing: on the CPU, outside of traces and `torch.func`.
    """
    if not isinstance(scalar, Tensor):
        check(name, scalar)
        return
    if scalar.numel() != 1:
        raise InputError(f"{name} has shape {tuple(scalar.shape)}; expected one element")
    if not scalar.is_floating_point():
        raise TypeError(f"{name} is {scalar.dtype}; expected a floating-point tensor: convert it with .float()")
    if scalar.device != other.device:
        raise InputError(f"{name} is on {scalar.device}, {other_name} on {other.device}; move both to the same device")
    followed = torch.compiler.is_compiling() or is_transformed()
    if scalar.device.type == "cpu" and not followed and type(scalar) in _PLAIN_TENSORS:
        check(name, scalar.item())


def check_pixel(pixel: tuple[int, int], image: Tensor) -> None:
    """Refuse a pixel (x, y) outside a (3, H, W) image."""
    (x, y), (height, width) = pixel, image.shape[-2:]
    if not (0 <= x < width and 0 <= y < height):
        raise InputError(f"pixel {x},{y} lies outside the image; expected x below {width} and y below {height}")
