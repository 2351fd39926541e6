"""Check images, scores, and what a cue and the filter make of them."""

import math
import warnings

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from crispseg.checks import check_map, check_same_grid, has_values, is_finite, is_recorded, value_range
from crispseg.compatibility import is_exporting
from crispseg.cues import Cue
from crispseg.data.kinds import check_tensor_kind, not_finite
from crispseg.data.prediction import TOLERANCE
from crispseg.errors import InputError, KindWarning
from crispseg.grid import Grid
from crispseg.inference.tensor_inputs import check_batch
from crispseg.scores import MULTILABEL, PROBABILITIES, Scores

_BEFORE_NORMALISATION = "pass the image before normalisation, or give SharpenedModel the mean and std that made it"


def check_fit(image: Tensor, scores: Tensor, grid: Grid, kind: Scores) -> None:
    """Refuse images and scores that do not match in number, in device, or in size by the grid.

    Raises:
        InputError: If they do not fit together.
        TypeError: If one is not a tensor or not floating point; the image may be uint8 too.
    """
    if torch.jit.is_tracing():  # type: ignore[attr-defined, no-untyped-call]
        raise InputError(
            "torch.jit.trace keeps the choices for these sizes and values, which may be wrong for others; expected "
            "torch.export.export, or crispseg.export.export_onnx"
        )
    check_batch(image, scores)
    if image.shape[0] != scores.shape[0]:
        raise InputError(f"{image.shape[0]} images but scores for {scores.shape[0]}; expected one for each")
    if image.device != scores.device:
        raise InputError(f"image is on {image.device}, scores on {scores.device}; move both to the same device")
    if 0 in image.shape[-2:] or 0 in scores.shape[1:]:
        raise InputError(
            f"image has shape {tuple(image.shape)}, scores {tuple(scores.shape)}; expected at least one pixel and one "
            "channel"
        )
    if not is_exporting():  # sizes are symbolic while exporting
        size = image.shape[-2], image.shape[-1]
        check_place(size, (scores.shape[-2], scores.shape[-1]), scores.shape[1], grid, kind)


def check_place(size: tuple[int, int], scores: tuple[int, int], channels: int, grid: Grid, kind: Scores) -> None:
    """Refuse scores (rows, columns) that cannot lie on an image (height, width) by a grid.

    Raises:
        InputError: If they cannot, the classes come last, or exclusive classes leave pixels without scores.
    """
    try:
        grid.check("scores", size, scores)
    except InputError:
        refuse_turned("scores", (channels, *scores), size)
        raise
    if grid.kind in ("stretched", "letterbox", "padded"):  # which any aspect ratio fits
        refuse_turned("scores", (channels, *scores), size)
    if kind not in MULTILABEL and channels > 1 and not grid.covers(size, scores):
        raise InputError(
            f"grid={grid} leaves a part of the {size[0]}x{size[1]} image without scores; expected scores for every "
            "pixel, since the classes are mutually exclusive: crop the image to the box, or use scores='multilabel' "
            "for labels that may overlap"
        )


def refuse_turned(what: str, shape: tuple[int, int, int], image: tuple[int, int]) -> None:
    """Refuse maps (N, h, w) that have the aspect ratio of an image (height, width) if read as (h, w, N) alone.

    Raises:
        InputError: If they have.
    """
    (a, b, c), aspect = shape, image[0] / image[1]
    if 0 < c < min(a, b) and abs(math.log(a / b / aspect)) < 0.1 < abs(math.log(b / c / aspect)):
        axis, last = ("C", "classes last") if what == "scores" else ("N", "objects last")
        raise InputError(
            f"{what} are {a}x{b}x{c} and seem to have the {last}, since the image is {image[0]}x{image[1]}; "
            f"expected ({axis}, h, w): use .transpose(2, 0, 1) for arrays, .movedim(-1, -3) for tensors"
        )


def to_colours(image: Tensor, dtype: torch.dtype) -> Tensor:
    """Convert an (N, 3, H, W) image, uint8 or floating point in [0, 1], to floating point; check its range.

    Resizing an image, or undoing its normalisation, rounds some values to a little outside: they are cut off.

    Raises:
        InputError: If a value lies farther outside [0, 1], unless values cannot be read.
    """
    if image.dtype == torch.uint8:
        return image.to(dtype) / 255
    rgb = image.to(dtype)
    low, high = value_range(rgb) if has_values() else (0, 1)
    if math.isnan(low):
        raise InputError("image holds NaN; expected uint8, or floating point in [0, 1]")
    slack = max(TOLERANCE, 4 * torch.finfo(image.dtype).eps)
    if not (low >= -slack and high <= 1 + slack):
        remedy = "divide it by 255" if low >= 0 and 2 < high <= 255 else _BEFORE_NORMALISATION
        raise InputError(
            f"image runs from {low:.4g} to {high:.4g}; expected uint8, or floating point in [0, 1]: {remedy}"
        )
    return rgb if low >= 0 and high <= 1 else rgb.clamp(0, 1)


def check_scores(scores: Tensor, kind: Scores) -> None:
    """Refuse scores that are not finite or not of their kind, if their values can be read."""
    if not has_values():
        return
    low, high = value_range(scores)
    if not (math.isfinite(low) and math.isfinite(high)):
        raise not_finite(scores)
    largest = max(-low, high)
    if largest > torch.finfo(torch.float32).max:
        raise InputError(f"scores are as large as {largest:.4g}; expected numbers that fit into float32, up to 3.4e38")
    if kind not in PROBABILITIES:
        return
    if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
        raise InputError(
            f"scores run from {low:.4g} to {high:.4g}; expected probabilities in [0, 1], or "
            f'Sharpener(..., scores="{"logits" if kind == "probabilities" else "multilabel"}")'
        )


def warn_of_kind(scores: Tensor, kind: Scores) -> None:
    """Warn of (N, C, h, w) scores that are almost certainly of another kind; see `check_tensor_kind`.

    They are not refused, since a network that is being developed may give any values. In training, nothing is said.
    """
    if is_recorded(scores):
        return
    try:
        check_tensor_kind(scores.transpose(0, 1), kind)
    except InputError as error:
        warnings.warn(str(error), KindWarning, stacklevel=2)


def checked_features(features: object, cue: Cue, image: Tensor) -> Tensor:
    """Return what a cue computed for (N, 3, H, W) images, if it is (N, D, H, W).

    Without a gradient, warn of a network in training mode: PyTorch builds them so.

    Raises:
        InputError: If it is not. The result would have another size than the image.
    """
    if isinstance(features, Tensor) and features.ndim == 4 and features.is_floating_point() and _fits(features, image):
        _warn_of_training(cue, features)
        return features
    found = f"{features.dtype} {tuple(features.shape)}" if isinstance(features, Tensor) else type(features).__name__
    raise InputError(
        f"{type(cue).__name__} returned {found} for an image {tuple(image.shape)}; expected floating-point features "
        "(N, D, H, W) of its size: resize them in the cue or its network"
    )


def _warn_of_training(cue: nn.Module, features: Tensor) -> None:
    if is_recorded(features):
        return
    for module in cue.modules():
        if module.training and isinstance(module, _BatchNorm | _DropoutNd):
            warnings.warn(
                f"the network of {type(cue).__name__} is in training mode, in which {type(module).__name__} changes "
                "features; call sharpener.eval() before you use it",
                stacklevel=2,
            )
            return


def check_given_features(features: Tensor, cue: Cue, image: Tensor) -> None:
    """Refuse features that are not (N, D, H, W) of the size of the image, or not as the cue expects them."""
    check_map("features", features)
    check_same_grid("features", features, "image", image)
    if has_values():
        cue.check_features(features)


def _fits(features: Tensor, image: Tensor) -> bool:
    ours, theirs = ((value.shape[0], *value.shape[-2:]) for value in (features, image))
    return is_exporting() or ours == theirs  # sizes are symbolic while exporting


def check_filtered(values: Tensor, cue: Cue, features: Tensor) -> None:
    """Refuse filtered values that are not finite. Only the cue can cause them, since the scores were checked before.

    Checking the result costs a hundredth of checking features and weights, which are read only to explain an error.

    Args:
        values: The result of the filter.
        cue: The cue that gave the weights.
        features: The features of the cue.

    Raises:
        InputError: If a value is NaN or infinite, unless values cannot be read.
    """
    if not has_values() or is_finite(values):
        return
    kind, bad = type(cue).__name__, int((~torch.isfinite(features)).any(1).sum())
    if bad:
        pixels = features.shape[0] * features.shape[-2] * features.shape[-1]
        raise InputError(
            f"{kind} returned NaN or infinite features at {bad} of {pixels} pixels; expected finite features: look for "
            "a division by 0 or a logarithm in the cue, or for weights that diverged in training"
        )
    raise InputError(
        f"{kind} returned distances or weights that make the filter return NaN; expected distances of 0 or more, "
        "infinite only to neighbours outside the image, or weights of 0 or more: look for 0 / 0 or inf - inf in the cue"
    )
