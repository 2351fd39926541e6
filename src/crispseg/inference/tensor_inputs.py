"""Refuse tensors that are no batch of images or of scores. Each error says how to make them one."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from crispseg.checks import check_map
from crispseg.errors import InputError

_READERS = {"image": "read_image(path)", "scores": "read_prediction(path).scores"}


def check_batch(image: object, scores: object) -> None:
    """Refuse anything but (N, 3, H, W) uint8 or floating-point images and (N, C, h, w) floating-point scores.

    Raises:
        InputError: If a shape is another.
        TypeError: If one is not a tensor, or its dtype is another.
    """
    if not isinstance(image, Tensor):
        raise _no_tensor("image", image)
    if not isinstance(scores, Tensor):
        raise _no_tensor("scores", scores)
    if image.ndim != 4 or image.shape[1] != 3:
        if _are_swapped(image, scores):
            raise InputError(
                f"image has shape {tuple(image.shape)}, scores {tuple(scores.shape)}; expected the image first, and "
                "then its scores"
            )
        raise InputError(f"image has shape {tuple(image.shape)}; expected (N, 3, H, W){_turned(image)}")
    if not (image.dtype == torch.uint8 or image.is_floating_point()):
        raise TypeError(
            f"image is {image.dtype}; expected uint8, or floating point in [0, 1]: convert values up to 255 with "
            ".to(torch.uint8), and divide others by the value of white"
        )
    _check_scores(scores)


def _check_scores(scores: Tensor) -> None:
    whole = not scores.is_floating_point()
    if whole and (scores.ndim < 4 or scores.shape[1] == 1):
        raise TypeError(
            f"scores is {scores.dtype} {tuple(scores.shape)}, like a label map; expected floating-point scores "
            "(N, classes, h, w): crispseg.sharpen_array takes label maps"
        )
    if whole:
        raise TypeError(
            f"scores is {scores.dtype}; expected floating point: convert one-hot labels with .float() and 8-bit "
            "probabilities with / 255, and pass scores='probabilities'"
        )
    if scores.ndim == 3:
        raise InputError(
            f"scores has shape {tuple(scores.shape)}; expected 4 dimensions (N, channels, H, W): pass those of one "
            "image as scores[None]"
        )
    check_map("scores", scores)


def _are_swapped(image: Tensor, scores: Tensor) -> bool:
    if not (image.ndim == scores.ndim == 4 and scores.shape[1] == 3 and image.shape[-1] != 3):
        return False
    return scores.dtype == torch.uint8 or scores.shape[-1] > image.shape[-1]


def _turned(image: Tensor) -> str:
    """Return what makes an image (N, 3, H, W), if that can be told."""
    shape = image.shape
    if image.ndim == 3 and shape[0] == 3:
        return ": pass one image as image[None]"
    if image.ndim in (3, 4) and shape[-1] in (3, 4):
        return ": move the colours first with image.movedim(-1, -3)" + "[None]" * (image.ndim == 3)
    if image.ndim == 4 and shape[1] == 4:
        return ", without transparency: image[:, :3]"
    if image.ndim == 4 and shape[1] == 1:
        return ": repeat grey with image.expand(-1, 3, -1, -1)"
    return ""


def _no_tensor(name: str, value: object) -> TypeError:
    if isinstance(value, str | Path):
        remedy = f"read the file with crispseg.data.{_READERS[name]}[None]"
    elif name == "scores" and isinstance(value, Mapping | tuple | list):
        remedy = 'pass the logits in it, such as output["out"], output.logits or output[0]'
    else:
        remedy = "use crispseg.sharpen_array for NumPy arrays and Pillow images"
        if name == "image":
            remedy += ", or make it one with torch.tensor(numpy.array(image)).movedim(-1, 0)[None]"
    return TypeError(f"{name} is {type(value).__name__}; expected a tensor: {remedy}")
