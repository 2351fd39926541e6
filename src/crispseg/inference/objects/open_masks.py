"""Masks whose boundary is open: where each may change, and what the image makes of it."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.pixels import padded
from crispseg.grid import Grid, Line, Size
from crispseg.inference.objects.bands import UNSURE, Band, filter_bands, free_pixels, reach
from crispseg.inference.objects.cell_means import means_missed, with_means
from crispseg.inference.objects.evidence import Evidence, equal_weights, supported
from crispseg.inference.objects.placing import MaskPlace
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.thinness import CONTRAST_ALONE, is_thin
from crispseg.precision import shortest
from crispseg.window import Level

SURER = 1.5
"""The factor of the hardness for masks that are as sharp as their resolution allows; see `holds_means`."""

SOFTER = 0.625
"""The factor of the hardness for masks that are in doubt over several cells, as those of networks are, or by a band."""


class Nature(NamedTuple):
    """The nature of a mask, by which its filter is made harder or softer."""

    thin: bool
    """Whether it is a thin thing, such as a vessel."""
    fills_cells: bool
    """Whether its values are the parts of its cells that the object fills; see `holds_means`."""
    is_sure: bool
    """Whether it is 0 and 1, and nobody says how far its boundary is off."""

    def suited(self, sharpener: Sharpener) -> Sharpener:
        """Return the sharpener for such a mask.

        Example:
            >>> from crispseg.cues import RGBCue
            >>> of_network = Nature(thin=False, fills_cells=False, is_sure=False)
            >>> float(of_network.suited(Sharpener(RGBCue(), hardness=4.0)).hardness)
            2.5
        """
        if self.thin:
            return surer(harder(sharpener)) if self.fills_cells else harder(sharpener)
        if self.fills_cells:
            return surer(sharpener)
        return sharpener if self.is_sure else sharpener.with_options(hardness=SOFTER * shortest(sharpener.hardness))


class OpenMask(NamedTuple):
    """A mask whose boundary is open."""

    number: int
    band: Band
    evidence: Evidence
    means: tuple[Tensor, tuple[Line, Line]] | None
    """The cells (h, w) that it must fill as their values say, and how they lie on the image; None if it need not."""
    nature: Nature


class CrispPart(NamedTuple):
    """The part of the image in which a mask may have changed."""

    number: int
    part: Box
    filtered: Tensor
    """(*part.size) probabilities after the filter."""
    values: Tensor
    """(*part.size) probabilities with the changes that there is evidence for."""


def band_of(
    values: Tensor,
    place: MaskPlace,
    size: Size,
    margin: int,
    *,
    is_hard: bool,
    band: float | None,
) -> Band | None:
    """Return where a mask may change, given its values on the pixels that its cells cover; None if nowhere.

    Args:
        values: (*place.cover.size) probabilities.
        place: How the mask lies on the image.
        size: Height and width of the image.
        margin: The largest radius of a window.
        is_hard: Whether the mask was 0 and 1 before it was upsampled.
        band: How far from the boundary pixels may change; None for the default.
    """
    likely = values > 0.5 - UNSURE
    if not likely.any():
        return None
    margin = max(margin, math.ceil(max(place.cell)) + 1)  # so that the part holds the cells of its free pixels
    around = reach(place.cell, band) + margin
    near = Box.around(likely).grown(around, place.cover.size)
    values, cover = values[near.slices], near.out_of(place.cover)
    outer = cover.grown(around, size)
    wide = padded(values, cover, outer)
    free = free_pixels(wide, place.cell, is_hard=is_hard, band=band)
    if not free.any():
        return None
    part = Box.around(free).grown(margin, outer.size)
    return Band(wide[part.slices], free[part.slices], part.out_of(outer))


def opened(
    sharpener: Sharpener, number: int, mask: NDArray[np.bool_], band: float, evidence: Evidence
) -> OpenMask | None:
    """Return a mask of the image's size as one whose boundary is open; None if it has none."""
    if not mask.any():
        return None
    cover, size = Box.around(mask), (mask.shape[0], mask.shape[1])
    place = MaskPlace(Grid(), Grid().lines(size, size), cover)
    values = torch.from_numpy(mask)[cover.slices].to(sharpener.device).float()
    found = band_of(values, place, size, largest_radius(sharpener), is_hard=True, band=band)
    if found is None:
        return None
    nature = Nature(is_thin(values > 0.5, (cover.top, cover.left)), fills_cells=False, is_sure=True)
    return OpenMask(number, found, evidence, None, nature)


def largest_radius(sharpener: Sharpener) -> int:
    """Return the largest radius of the windows of a sharpener."""
    return max(window.radius for window in sharpener.window)


def crisp_parts(
    sharpener: Sharpener, features_of: Callable[[Box], Tensor], masks: Sequence[OpenMask]
) -> Iterator[CrispPart]:
    """Yield the changes of masks.

    Args:
        sharpener: The sharpener.
        features_of: Returns the (D, *box.size) features of a box; it is called once, with what the masks need.
        masks: The masks.
    """
    if not masks:
        return
    region = Box.enclosing([one.band.part for one in masks])
    features = features_of(region)[None]
    for nature in sorted({one.nature for one in masks}):
        found = _filled if nature.fills_cells else _supported
        yield from found([one for one in masks if one.nature == nature], nature.suited(sharpener), features, region)


def _filled(masks: Sequence[OpenMask], sharpener: Sharpener, features: Tensor, region: Box) -> Iterator[CrispPart]:
    """Yield the changes of masks that must fill their cells."""
    crisp = filter_bands([one.band for one in masks], sharpener.levels, partial(_weights, sharpener, features), region)
    for one, values in zip(masks, crisp, strict=True):
        yield CrispPart(one.number, one.band.part, values, _with_means(one, values))


def _supported(masks: Sequence[OpenMask], sharpener: Sharpener, features: Tensor, region: Box) -> Iterator[CrispPart]:
    """Yield the changes of masks for which there is evidence."""
    bands = [one.band for one in masks]
    crisp = filter_bands(bands, sharpener.levels, partial(_weights, sharpener, features), region)
    blind = filter_bands(bands, sharpener.levels, partial(equal_weights, like=features), region)
    for one, values, without in zip(masks, crisp, blind, strict=True):
        kept = supported(one.band.values, values, without, one.evidence)
        yield CrispPart(one.number, one.band.part, values, kept)


def harder(sharpener: Sharpener) -> Sharpener:
    """Return the sharpener for masks of thin things, for which it is too soft.

    Example:
        >>> from crispseg.cues import RGBCue
        >>> float(harder(Sharpener(RGBCue(), hardness=4.0)).hardness)
        20.0
    """
    return sharpener.with_options(hardness=CONTRAST_ALONE * shortest(sharpener.hardness))


def surer(sharpener: Sharpener) -> Sharpener:
    """Return the sharpener for masks that are as sharp as their resolution allows: its last window alone, and harder.

    Example:
        >>> from crispseg.cues import RGBCue
        >>> gentle = surer(Sharpener(RGBCue(), window="5@4,5", hardness=4.0))
        >>> str(gentle.window), float(gentle.hardness)
        ('5', 6.0)
    """
    window, passes, cue_weight, score_weight = sharpener.levels[-1]
    return sharpener.with_options(
        window=window, passes=passes, cue_weight=cue_weight, score_weight=score_weight,
        hardness=SURER * shortest(sharpener.hardness),
    )  # fmt: skip


def _weights(sharpener: Sharpener, features: Tensor, level: Level) -> Tensor:
    return sharpener.cue.weights(features, level.window, level.cue_weight * sharpener.hardness)


def _with_means(mask: OpenMask, values: Tensor) -> Tensor:
    """Return the mask that fills its cells, or the one before if that fills them better."""
    assert mask.means is not None
    before, part = mask.band.values, mask.band.part
    after = with_means(values, *mask.means, part)
    worse = means_missed(after, *mask.means, part) > means_missed(before, *mask.means, part)
    return torch.where(worse, before, after)
