"""New masks of the objects of an image, where the image shows that their outlines are elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crispseg.annotations.filling import Mask
from crispseg.data.box import Box
from crispseg.defaults import ANNOTATION_BAND, ANNOTATION_CERTAINTY, ANNOTATION_EVIDENCE
from crispseg.extras import optional_packages
from crispseg.inference.label_groups import box_around
from crispseg.inference.objects.evidence import Evidence
from crispseg.inference.objects.open_masks import CrispPart, crisp_parts, opened
from crispseg.inference.sharpener import Sharpener

_LEAST_SHIFT = 0.1
"""An outline that moves less than this, in pixels on average, is left as it is."""

_LEAST_IOU = 0.5
"""A mask that would lose more than this is left as it is: such an object is thinner than the band."""

Masks = list[Mask]


@dataclass(frozen=True)
class Cleaner:
    """Moves outlines to the boundaries of an image.

    Args:
        sharpener: The sharpener, which runs on the device of its weights.
        band: How far an outline may move, in pixels.
        certainty: The probability from which a pixel changes sides, 0.5 or more.
        evidence: How much of that probability must be due to the image; see `Evidence`.
    """

    sharpener: Sharpener
    band: float = ANNOTATION_BAND
    certainty: float = ANNOTATION_CERTAINTY
    evidence: float = ANNOTATION_EVIDENCE

    @torch.inference_mode()
    def __call__(self, image: Tensor, before: Masks) -> Masks:
        """Return the new mask of each object of a (3, H, W) image, in order; unchanged ones are the same arrays.

        Objects that did not overlap do not overlap afterwards, and no gap opens between neighbours. An object that lay
        mostly in another one, such as a part of it, may move with it.
        """
        after = [mask.copy() for mask in before]
        likely = Likely.none(*before[0].shape)
        for index, (mask, part) in enumerate(zip(before, self._parts(image, before), strict=True)):
            box = Box.around(mask)
            share = mask[box.slices].astype(np.float32)
            if part is not None:
                after[index][part.part.slices] = part.values.cpu().numpy() > 0.5
                box, inner = box_around([box, part.part]), box
                share = np.pad(share, _ends(inner, box))
                share[part.part.within(box).slices] = part.filtered.cpu().numpy()
            likely.add(index, share, box)
        close_gaps(before, after, likely)
        speck = max(round(self.band**2), 1)
        covered = np.any(after, axis=0)
        after = [without_specks(old, new, speck) for old, new in zip(before, after, strict=True)]
        accepted = [is_believed(old, new) for old, new in zip(before, after, strict=True)]
        return settled(before, after, accepted, covered, likely.object)

    def _parts(self, image: Tensor, before: Masks) -> list[CrispPart | None]:
        """Return where the image moves each mask; None for one that cannot change."""
        evidence = Evidence(self.certainty, self.evidence)
        masks = (opened(self.sharpener, n, mask, self.band, evidence) for n, mask in enumerate(before))
        found: list[CrispPart | None] = [None] * len(before)
        for part in crisp_parts(self.sharpener, image, [one for one in masks if one is not None]):
            found[part.number] = part
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


def close_gaps(before: Masks, after: Masks, likely: Likely) -> None:
    """Give pixels that were left by all objects, but are rather of an object than of none, to the likeliest."""
    left = np.any(before, axis=0) & ~np.any(after, axis=0) & (likely.highest > 1 - likely.total)
    for index in np.unique(likely.object[left]).tolist():
        after[index] |= left & (likely.object == index)


def part_overlaps(before: Masks, after: Masks, likeliest: NDArray[np.intp] | None = None) -> None:
    """Leave a pixel that objects newly share to the one that had it, or else to the likeliest, or else to the first.

    Objects that belong together, such as a house and its window, may share it.
    """
    counts = [np.sum(masks, axis=0, dtype=np.int32) for masks in (after, before)]
    shared = np.logical_and(counts[0] > 1, counts[1] <= 1)
    if not shared.any():
        return
    at = Box.around(shared).slices
    shared, taken = shared[at], np.zeros_like(shared[at])
    wanted = [new[at] for new in after]
    claims = [new & old[at] for new, old in zip(wanted, before, strict=True)]
    if likeliest is not None:
        claims += [new & (likeliest[at] == index) for index, new in enumerate(wanted)]
    owner = np.full(shared.shape, -1)
    for index, claim in enumerate([*claims, *wanted]):
        mine = shared & claim & ~taken
        owner[mine], taken = index % len(after), taken | mine
    for index, new in enumerate(after):
        lost = shared & new[at] & (owner != index)
        for other in np.unique(owner[lost]).tolist():
            if not belong_together(before[index], before[other]):
                new[at][lost & (owner == other)] = False


def belong_together(one: Mask, other: Mask) -> bool:
    """Return whether more than half of the smaller of two masks lies in the other."""
    return bool(2 * np.count_nonzero(one & other) > min(np.count_nonzero(one), np.count_nonzero(other)))


def settled(
    before: Masks,
    after: Masks,
    accepted: Sequence[bool],
    covered: Mask,
    likeliest: NDArray[np.intp] | None = None,
) -> Masks:
    """Return the masks of which some changes were not accepted: those are the same arrays as before.

    Their neighbours get back what they had lost to them, and give back what they had taken.

    Args:
        before: The masks before.
        after: The masks with all changes.
        accepted: Whether the changes of each are accepted.
        covered: The pixels that are of an object: one that none holds any more goes back to those that had it.
        likeliest: The object of the highest probability in every pixel, if that is known.
    """
    result = [new.copy() if yes else old for old, new, yes in zip(before, after, accepted, strict=True)]
    left = covered & np.any(before, axis=0) & ~np.any(result, axis=0)
    for index in np.flatnonzero(accepted).tolist():
        result[index][left & before[index]] = True
    part_overlaps(before, result, likeliest)
    return result


def without_fixed(before: Masks, after: Masks, fixed: Mask) -> Masks:
    """Return the new masks without what they changed in fixed pixels; those that hardly change then do not change."""
    kept = [old if new is old else np.where(fixed, old, new) for old, new in zip(before, after, strict=True)]
    accepted = [new is not old and is_believed(old, new) for old, new in zip(before, kept, strict=True)]
    return settled(before, kept, accepted, np.any(kept, axis=0))


def without_specks(before: Mask, after: Mask, least: int) -> Mask:
    """Return the new mask without the islands and holes of fewer pixels than `least` that it did not have before."""
    box = Box.around(before | after)
    old, new = (np.pad(mask[box.slices], 1) for mask in (before, after))
    new ^= _small(new, least) & ~_small(old, least)
    new ^= _small(~new, least) & ~_small(~old, least)
    result = after.copy()
    result[box.slices] = new[1:-1, 1:-1]
    return result


def _small(region: Mask, least: int) -> Mask:
    """Return the pixels of the connected parts of a region that have few pixels."""
    with optional_packages():
        from scipy import ndimage  # noqa: PLC0415 - an extra
    labels, _ = ndimage.label(region)
    found: Mask = (np.bincount(labels.ravel()) < least)[labels] & region
    return found


def is_believed(before: Mask, after: Mask) -> bool:
    """Return whether a new mask is neither hardly different, nor too different."""
    at = Box.around(before | after).slices
    old, new = before[at], after[at]
    return shift(old, new) >= _LEAST_SHIFT and overlap(old, new) >= _LEAST_IOU


def _ends(inner: Box, outer: Box) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return how much larger a box is than one in it: before and after it, along rows and columns."""
    top, left, bottom, right = inner.within(outer)
    height, width = outer.size
    return (top, height - bottom), (left, width - right)


def overlap(one: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks; 1 if both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def shift(before: Mask, after: Mask) -> float:
    """Return how far an outline has moved, in pixels on average: the changed pixels for each edge on it."""
    padded = np.pad(before, 1)
    edges = sum(np.count_nonzero(np.diff(padded, axis=axis)) for axis in (0, 1))
    return np.count_nonzero(before != after) / max(edges, 1)
