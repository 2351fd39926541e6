"""New masks of the objects of an image, where the image shows that their outlines are elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import ceil, prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crispseg.annotations.filling import pasted, union
from crispseg.data.box import Box
from crispseg.data.run_lengths import Mask
from crispseg.defaults import ANNOTATION_BAND, ANNOTATION_CERTAINTY, ANNOTATION_EVIDENCE
from crispseg.extras import optional_packages
from crispseg.inference.objects.evidence import Evidence
from crispseg.inference.objects.mask_tiles import MaskTiles
from crispseg.inference.objects.open_masks import CrispPart
from crispseg.inference.sharpener import Sharpener

_LEAST_SHIFT = 0.1
"""An outline that moves less than this, in pixels on average, is left as it is."""

_LEAST_IOU = 0.5
"""A mask that would lose more than this is left as it is: such an object is thinner than the band."""

_BYTES_OF_MAPS = 24
"""Bytes for each pixel of an image that holds objects: those of `Likely`, and of maps that compare all objects."""
_BYTES_OF_PART, _PAGE = 8, 4096
"""Bytes of what is found for each pixel of a mask's box; and of the least memory that a row of the new mask takes."""

Masks = list[Mask]
Places = Sequence[Box]
"""Where each of several objects lies, before and after: what is beside is never looked at, in large images."""


@dataclass(frozen=True)
class Cleaner:
    """Moves outlines to the boundaries of an image.

    Args:
        sharpener: The sharpener, which runs on the device of its weights.
        band: How far an outline may move, in pixels.
        certainty: The probability from which a pixel changes sides, 0.5 or more.
        evidence: How much of that probability must be due to the image; see `Evidence`.
        memory: The memory that the process may use, such as "2GiB", which sets the size of tiles. None for no limit.
    """

    sharpener: Sharpener
    band: float = ANNOTATION_BAND
    certainty: float = ANNOTATION_CERTAINTY
    evidence: float = ANNOTATION_EVIDENCE
    memory: str | None = None

    @torch.inference_mode()
    def __call__(self, image: Tensor, before: Masks) -> Masks:
        """Return the new mask of each object of a (3, H, W) image, in order; unchanged ones are the same arrays.

        Objects that did not overlap do not overlap afterwards, and no gap opens between neighbours. An object that lay
        mostly in another one, such as a part of it, may move with it.
        """
        after, places = list[Mask](), list[Box]()
        size = before[0].shape[0], before[0].shape[1]
        likely = Likely.none(*size)
        tiles = MaskTiles(self.sharpener, image, before, self.band, Evidence(self.certainty, self.evidence))
        for index, (mask, parts) in enumerate(zip(before, self._parts(tiles), strict=True)):
            box = Box.enclosing([tiles.places[index], *(part.part for part in parts)])
            pixels = mask[box.slices].copy()
            share = pixels.astype(np.float32)
            for part in parts:
                at = part.part.within(box).slices
                pixels[at] = part.values.cpu().numpy() > 0.5
                share[at] = part.filtered.cpu().numpy()
            likely.add(index, share, box)
            after.append(pasted(pixels, box, size))
            places.append(box)
        close_gaps(before, after, places, likely)
        speck = max(round(self.band**2), 1)
        covered = union(after, places)
        for old, new, place in zip(before, after, places, strict=True):
            remove_specks(old, new, speck, place)
        accepted = [
            is_believed(old[at.slices], new[at.slices]) for old, new, at in zip(before, after, places, strict=True)
        ]
        return settled(before, after, places, accepted, covered, likeliest=likely.object)

    def _parts(self, tiles: MaskTiles) -> list[list[CrispPart]]:
        """Return where the image may move each mask."""
        besides = _BYTES_OF_MAPS * prod(tiles.size)
        for rows, columns in (place.grown(ceil(self.band), tiles.size).size for place in tiles.places):
            besides += rows * (min(columns + _PAGE, tiles.size[1]) + columns * _BYTES_OF_PART)
        found = list[list[CrispPart]]([] for _ in tiles.masks)
        for part in tiles.parts(self.memory, besides=besides):
            found[part.number].append(part)
        return found


@dataclass(frozen=True)
class Likely:
    """For every pixel, the object of the highest probability."""

    object: NDArray[np.intp]
    highest: NDArray[np.float32]
    total: NDArray[np.float32]
    """The sum of the probabilities of all objects."""

    @classmethod
    def none(cls, height: int, width: int) -> "Likely":
        """Return the beginning, before any object was added."""
        zeros = np.zeros((2, height, width), np.float32)
        return cls(np.zeros((height, width), np.intp), zeros[0], zeros[1])

    def add(self, index: int, share: NDArray[np.float32], box: Box) -> None:
        """Add the probabilities of an object in a box; beside it they are 0."""
        highest = self.highest[box.slices]
        higher = share > highest
        self.object[box.slices][higher] = index
        highest[higher] = share[higher]
        self.total[box.slices] += share


def places_of(before: Masks, after: Masks) -> Places:
    """Return where each object lies before and after."""
    return [Box.around(old if new is old else old | new) for old, new in zip(before, after, strict=True)]


def close_gaps(before: Masks, after: Masks, places: Places, likely: Likely) -> None:
    """Give pixels that were left by all objects, but are rather of an object than of none, to the likeliest."""
    left = union(before, places) & ~union(after, places) & (likely.highest > 1 - likely.total)
    for index, new in enumerate(after):
        at = places[index].slices
        new[at] |= left[at] & (likely.object[at] == index)


def part_overlaps(before: Masks, after: Masks, places: Places, likeliest: NDArray[np.intp] | None = None) -> None:
    """Leave a pixel that objects newly share to the one that had it, or else to the likeliest, or else to the first.

    Objects that belong together, such as a house and its window, may share it.
    """
    shared = _is_shared(after, places) & ~_is_shared(before, places)
    if not shared.any():
        return
    owner = np.full(shared.shape, -1, np.int32)
    for index, at, claim in _claims(before, after, places, likeliest):
        owner[at][shared[at] & claim & (owner[at] < 0)] = index
    for index, new in enumerate(after):
        at = places[index].slices
        lost = shared[at] & new[at] & (owner[at] != index)
        for other in np.unique(owner[at][lost]).tolist():
            if not belong_together(before[index], before[other], places[index], places[other]):
                new[at][lost & (owner[at] == other)] = False


def _claims(
    before: Masks, after: Masks, places: Places, likeliest: NDArray[np.intp] | None
) -> Iterator[tuple[int, tuple[slice, slice], Mask]]:
    """Yield which object wants which pixels of its place; the claims that come first win."""
    ats = list(enumerate(place.slices for place in places))
    for index, at in ats:
        yield index, at, after[index][at] & before[index][at]
    if likeliest is not None:
        for index, at in ats:
            yield index, at, after[index][at] & (likeliest[at] == index)
    for index, at in ats:
        yield index, at, after[index][at]


def _is_shared(masks: Masks, places: Places) -> Mask:
    """Return the pixels that are of more than one mask."""
    once, twice = (np.zeros(masks[0].shape, bool) for _ in range(2))
    for mask, place in zip(masks, places, strict=True):
        at = place.slices
        twice[at] |= once[at] & mask[at]
        once[at] |= mask[at]
    return twice


def belong_together(one: Mask, other: Mask, where: Box, elsewhere: Box) -> bool:
    """Return whether more than half of the smaller of two masks lies in the other, given the places of both."""
    mine, its = one[where.slices], other[elsewhere.slices]
    both = np.count_nonzero(mine & other[where.slices])
    return bool(2 * both > min(np.count_nonzero(mine), np.count_nonzero(its)))


def settled(
    before: Masks,
    after: Masks,
    places: Places,
    accepted: Sequence[bool],
    covered: Mask,
    *,
    likeliest: NDArray[np.intp] | None = None,
) -> Masks:
    """Return the masks of which some changes were not accepted: those are the same arrays as before.

    Their neighbours get back what they had lost to them, and give back what they had taken; they are changed in place.

    Args:
        before: The masks before.
        after: The masks with all changes.
        places: Where each object lies before and after.
        accepted: Whether the changes of each are accepted.
        covered: The pixels that are of an object: one that none holds any more goes back to those that had it.
        likeliest: The object of the highest probability in every pixel, if that is known.
    """
    result = [new if yes else old for old, new, yes in zip(before, after, accepted, strict=True)]
    left = covered & union(before, places) & ~union(result, places)
    for index in np.flatnonzero(accepted).tolist():
        at = places[index].slices
        result[index][at] |= left[at] & before[index][at]
    part_overlaps(before, result, places, likeliest)
    return result


def without_fixed(before: Masks, after: Masks, fixed: Mask) -> Masks:
    """Return the new masks without what they changed in fixed pixels; those that hardly change then do not change.

    The new masks are changed in place.
    """
    places = places_of(before, after)
    for old, new, place in zip(before, after, places, strict=True):
        at = place.slices
        new[at] = np.where(fixed[at], old[at], new[at])
    accepted = [
        new is not old and is_believed(old[place.slices], new[place.slices])
        for old, new, place in zip(before, after, places, strict=True)
    ]
    return settled(before, after, places, accepted, union(after, places))


def remove_specks(before: Mask, after: Mask, least: int, place: Box) -> None:
    """Remove the islands and holes of fewer pixels than `least` from a new mask that it did not have before."""
    old, new = (np.pad(mask[place.slices], 1) for mask in (before, after))
    new ^= _small(new, least) & ~_small(old, least)
    new ^= _small(~new, least) & ~_small(~old, least)
    after[place.slices] = new[1:-1, 1:-1]


def _small(region: Mask, least: int) -> Mask:
    """Return the pixels of the connected parts of a region that have few pixels."""
    with optional_packages():
        from scipy import ndimage  # noqa: PLC0415 - an extra
    labels, _ = ndimage.label(region)
    found: Mask = (np.bincount(labels.ravel()) < least)[labels] & region
    return found


def is_believed(before: Mask, after: Mask) -> bool:
    """Return whether a new mask is neither hardly different, nor too different."""
    return shift(before, after) >= _LEAST_SHIFT and overlap(before, after) >= _LEAST_IOU


def overlap(one: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks; 1 if both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def shift(before: Mask, after: Mask) -> float:
    """Return how far an outline has moved, in pixels on average: the changed pixels for each edge on it."""
    padded = np.pad(before, 1)
    edges = sum(np.count_nonzero(np.diff(padded, axis=axis)) for axis in (0, 1))
    return np.count_nonzero(before != after) / max(edges, 1)
