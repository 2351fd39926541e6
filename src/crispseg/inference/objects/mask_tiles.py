"""Masks of a large image, in tiles that fit into memory, with the same result."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from crispseg.data.box import Box, cut
from crispseg.data.pixels import PartOfPixels, TensorPixels
from crispseg.inference.label_groups import TOGETHER
from crispseg.inference.memory import STRIP, bytes_per_pixel_of_masks, parse_memory, tile_side
from crispseg.inference.objects.evidence import Evidence
from crispseg.inference.objects.open_masks import CrispPart, OpenMask, crisp_parts, opened
from crispseg.inference.parts import features_of_box
from crispseg.inference.sharpener import Sharpener
from crispseg.process_memory import give_back

_SIDE = 1024
"""The side of tiles without a limit: larger ones take more memory and save no time."""

Masks = Sequence[NDArray[np.bool_]]
"""Masks of the image's size, which have at least one pixel each."""


@dataclass(frozen=True)
class MaskTiles:
    """Masks whose outlines may move, of which one tile after another is computed.

    A pixel that may change depends on those that a chain of windows reaches, so each tile is computed with them.

    Args:
        sharpener: The sharpener.
        image: (3, H, W) RGB, uint8 or floating point in [0, 1].
        masks: The masks.
        band: How far an outline may move, in pixels.
        evidence: How much must speak for a change.
    """

    sharpener: Sharpener
    image: Tensor
    masks: Masks
    band: float
    evidence: Evidence

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image."""
        return self.image.shape[-2], self.image.shape[-1]

    @cached_property
    def places(self) -> list[Box]:
        """Where each mask lies."""
        return [Box.around(mask) for mask in self.masks]

    def parts(self, memory: str | int | None, *, besides: int = 0) -> Iterator[CrispPart]:
        """Yield the changes of masks: for each mask a part in each tile in which it may change.

        Args:
            memory: The memory that the process may use, such as "2GiB"; None for tiles of 1024 pixels.
            besides: Bytes that it will take besides the tiles.

        Raises:
            InputError: If the memory is too small for a tile.
        """
        halo = sum(level.window.radius * level.passes for level in self.sharpener.levels) + ceil(self.band) + 1
        features_of = self._features()
        for tile in cut(self.size, _SIDE if memory is None else self._side(memory, halo, besides)):
            outer = tile.grown(halo, self.size)
            near = (number for number, place in enumerate(self.places) if place.shared(outer))
            found = (one for number in near if (one := self._opened(number, outer)) and _is_open(one, tile))
            for some in _grouped(found, TOGETHER * outer.size[0] * outer.size[1]):
                for part in crisp_parts(self.sharpener, features_of, some):
                    yield _cut_off(part, tile)
            give_back()

    def _side(self, memory: str | int, halo: int, besides: int) -> int:
        """Return the side of tiles that fit into memory."""
        cue, each = self.sharpener.cue, bytes_per_pixel_of_masks(self.sharpener, TOGETHER)
        margin = halo + (cue.reach or 0) + cue.step
        return tile_side(self.sharpener, each, self.size, parse_memory(memory), margin, besides=besides)

    def _features(self) -> Callable[[Box], Tensor]:
        """Return a function that computes the features of a box, or cuts them out where a cue sees all at once."""
        pixels, size = TensorPixels(self.image), self.size
        if self.sharpener.cue.reach is not None:
            return partial(features_of_box, self.sharpener, pixels, strip=STRIP)
        whole = Box(0, 0, *size)
        parts = [one.band.part for number in range(len(self.masks)) if (one := self._opened(number, whole))]
        region = Box.enclosing(parts) if parts else whole  # as if all were computed at once
        return PartOfPixels(features_of_box(self.sharpener, pixels, region), region, size).read

    def _opened(self, number: int, outer: Box) -> OpenMask | None:
        """Return a mask as far as a box holds it; None if it cannot change there."""
        found = opened(self.sharpener, number, self.masks[number][outer.slices], self.band, self.evidence)
        if found is None:
            return None
        part = found.band.part.out_of(outer)
        return found._replace(band=found.band._replace(part=part))


def _is_open(mask: OpenMask, tile: Box) -> bool:
    """Return whether a mask may change in a tile."""
    part = mask.band.part
    common = part.shared(tile)
    return common is not None and bool(mask.band.free[common.within(part).slices].any())


def _grouped(masks: Iterable[OpenMask], most: int) -> Iterator[list[OpenMask]]:
    """Yield masks in groups that have at most so many pixels together, unless a single one has more."""
    group, pixels = list[OpenMask](), 0
    for mask in masks:
        taken = mask.band.free.numel()
        if group and pixels + taken > most:
            yield group
            group, pixels = [], 0
        group.append(mask)
        pixels += taken
    if group:
        yield group


def _cut_off(part: CrispPart, tile: Box) -> CrispPart:
    """Return what a tile holds of a part that shares pixels with it."""
    common = part.part.shared(tile)
    assert common is not None
    at = common.within(part.part).slices
    return part._replace(part=common, filtered=part.filtered[at].clone(), values=part.values[at].clone())
