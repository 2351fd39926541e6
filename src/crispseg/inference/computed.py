"""Features that a cue has computed."""

import warnings

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from crispseg.checks import is_recorded
from crispseg.compatibility import is_exporting
from crispseg.cues import Cue
from crispseg.errors import InputError


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


def _fits(features: Tensor, image: Tensor) -> bool:
    ours, theirs = ((value.shape[0], *value.shape[-2:]) for value in (features, image))
    return is_exporting() or ours == theirs  # sizes are symbolic while exporting


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
