"""How gently the filter and the guard treat the scores of each image; `finding_gentleness` finds it out."""

from typing import NamedTuple

import torch
from torch import Tensor

from crispseg.checks import is_recorded

_BILINEAR = 2.0
"""The contrast from which joint upsampling does not look at the image."""


class Gentleness(NamedTuple):
    """How gently the scores of each image of a batch are treated, as (N, 1, 1, 1) tensors."""

    contrast: Tensor
    """By how much the differences of pixels count more in the filter, from 1 to 30."""
    guarding: Tensor
    """How much of the guard acts, from 0 to 1."""
    regional: Tensor
    """How much of the regional levels acts: from 0 for scenes of many labels to 1 for images of few; 0 where all
    things are thin."""

    @property
    def is_usual(self) -> bool:
        """Whether all scores are treated as a network's, as far as that can be told without waiting for a GPU."""
        return _all_are(1, self.contrast)

    @property
    def is_local(self) -> bool:
        """Whether regional levels act in no image, as far as that can be told without waiting for a GPU."""
        return _all_are(0, self.regional)

    def to(self, device: torch.device) -> "Gentleness":
        """Return the same on a device."""
        return Gentleness(*(each.to(device) for each in self))


def for_filter(maps: Tensor, gentleness: Gentleness | None) -> Tensor:
    """Return maps as the filter compares their pixels: times the contrast. Without gentleness they stay as they are."""
    return maps if gentleness is None or gentleness.is_usual else maps * gentleness.contrast


def for_upsampling(features: Tensor, gentleness: Gentleness | None) -> Tensor:
    """Return features as joint upsampling compares them: as they are for a contrast of 1, and all 0 from 2 on.

    Where all features are 0, joint upsampling is bilinear.
    """
    if gentleness is None or gentleness.is_usual:
        return features
    return features * regard_of_image(gentleness.contrast).to(features.dtype)


def regard_of_image(contrast: Tensor) -> Tensor:
    """Return how much joint upsampling looks at the image: 1 for a contrast of 1, and 0 from 2 on."""
    return ((_BILINEAR - contrast) / (_BILINEAR - 1)).clamp(min=0)


def partly_guarded(after: Tensor, guarded: Tensor, gentleness: Gentleness | None) -> Tensor:
    """Return filtered values before the guard, as far as it does not act, and after it as far as it does."""
    if gentleness is None or gentleness.is_usual:
        return guarded
    return torch.lerp(after, guarded, gentleness.guarding.to(after.dtype))


def partly_regional(before: Tensor, after: Tensor, gentleness: Gentleness | None) -> Tensor:
    """Return values before a regional level, as far as it does not act, and after it as far as it does."""
    if gentleness is None or _all_are(1, gentleness.regional):
        return after
    return torch.lerp(before, after, gentleness.regional.to(after.dtype))


def _all_are(value: float, given: Tensor) -> bool:
    if is_recorded(given) or given.device.type != "cpu":
        return False
    return bool((given == value).all())
