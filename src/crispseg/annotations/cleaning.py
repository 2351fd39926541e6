"""New masks of the objects of an image, where the image shows that their outlines are elsewhere."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crispseg.annotations.filling import Mask
from crispseg.cues import RGBCue
from crispseg.extras import optional_packages
from crispseg.inference.objects import sharpen_masks
from crispseg.inference.sharpener import Sharpener

_LEAST_SHIFT = 0.1
"""An outline that moves less than this, in pixels on average, is left as it is."""

_LEAST_IOU = 0.5
"""A mask that would lose more than this is left as it is: such an object is thinner than the band."""

_AT_ONCE = 1 << 27
"""Numbers that the soft masks of one call may hold."""

Masks = list[Mask]


@dataclass(frozen=True)
class Cleaner:
    """Moves outlines to the boundaries of an image.

    Args:
        sharpener: The sharpener, which runs on the device of its weights.
        band: How far an outline may move, in pixels.
        certainty: The probability from which a pixel changes sides, 0.5 or more.
        evidence: How much of that probability must be due to the image: more than an image of one colour would give,
            whose result depends on the form of the outline alone.
    """

    sharpener: Sharpener
    band: float
    certainty: float
    evidence: float = 0.1

    @cached_property
    def _blind(self) -> Sharpener:
        """A sharpener that averages over all neighbours alike, as the other does on an image of one colour."""
        return Sharpener(RGBCue(), window=self.sharpener.window, passes=self.sharpener.passes).eval()

    def __call__(self, image: Tensor, before: Masks) -> Masks:
        """Return the new mask of each object of a (3, H, W) image, in order; unchanged ones are the same arrays.

        Objects that did not overlap do not overlap afterwards, and no gap opens between neighbours.
        """
        after, likely = self._sharpened(image, before)
        close_gaps(before, after, likely)
        part_overlaps(before, after, likely.object)
        speck = max(round(self.band**2), 1)
        return [_checked(old, without_specks(old, new, speck)) for old, new in zip(before, after, strict=True)]

    def _sharpened(self, image: Tensor, before: Masks) -> tuple[Masks, "Likely"]:
        height, width = before[0].shape
        likely = Likely.none(height, width)
        after: Masks = []
        step = max(_AT_ONCE // (height * width), 1)
        for begin in range(0, len(before), step):
            some = torch.from_numpy(np.stack(before[begin : begin + step]))
            seeing, blind = (
                torch.as_tensor(sharpen_masks(pixels, some, sharpener=sharpener, band=self.band, soft=True))
                for sharpener, pixels in ((self.sharpener, image), (self._blind, torch.zeros_like(image)))
            )
            due = seeing - blind
            leaves = (seeing <= 1 - self.certainty) & (due < -self.evidence)
            joins = (seeing > self.certainty) & (due > self.evidence)
            after += list(torch.where(some, ~leaves, joins).numpy())
            for index, share in enumerate(seeing.numpy(), begin):
                likely.add(index, share)
        return after, likely


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

    def add(self, index: int, share: NDArray[np.float32]) -> None:
        """Add the (H, W) probabilities of an object."""
        higher = share > self.highest
        self.object[higher] = index
        self.highest[higher] = share[higher]
        self.total[...] += share


def close_gaps(before: Masks, after: Masks, likely: Likely) -> None:
    """Give pixels that were left by all objects, but are rather of an object than of none, to the likeliest."""
    left = np.any(before, axis=0) & ~np.any(after, axis=0) & (likely.highest > 1 - likely.total)
    for index in np.unique(likely.object[left]).tolist():
        after[index] |= left & (likely.object == index)


def part_overlaps(before: Masks, after: Masks, rather: NDArray[np.intp] | None = None) -> None:
    """Leave a pixel that objects newly share to the one that had it, or else to the one in `rather`, or the first."""
    shared = (np.sum(after, axis=0, dtype=np.int32) > 1) & (np.sum(before, axis=0, dtype=np.int32) <= 1)
    if not shared.any():
        return
    taken = np.zeros_like(shared)
    claims = [np.logical_and(new, old) for new, old in zip(after, before, strict=True)]
    if rather is not None:
        claims += [new & (rather == index) for index, new in enumerate(after)]
    owner = np.full(shared.shape, -1)
    for index, claim in enumerate([*claims, *after]):
        mine = shared & claim & ~taken
        owner[mine], taken = index % len(after), taken | mine
    for index, new in enumerate(after):
        new[shared & (owner != index)] = False


def without_specks(before: Mask, after: Mask, least: int) -> Mask:
    """Return the new mask without the islands and holes of fewer pixels than `least` that it did not have before."""
    rows, columns = (np.flatnonzero((before | after).any(axis)) for axis in (1, 0))
    if not len(rows):
        return after
    part = slice(max(rows[0] - 1, 0), rows[-1] + 2), slice(max(columns[0] - 1, 0), columns[-1] + 2)
    result, old = after.copy(), before[part]
    new = result[part]
    new ^= _small(new, least) & ~_small(old, least)
    new ^= _small(~new, least) & ~_small(~old, least)
    return result


def _small(region: Mask, least: int) -> Mask:
    """Return the pixels of the connected parts of a region that have few pixels."""
    with optional_packages():
        from scipy import ndimage  # noqa: PLC0415 - an extra
    labels, _ = ndimage.label(region)
    found: Mask = (np.bincount(labels.ravel()) < least)[labels] & region
    return found


def _checked(before: Mask, after: Mask) -> Mask:
    """Return the new mask, or the old one where the new one is hardly different, or too different to be believed."""
    worth = shift(before, after) >= _LEAST_SHIFT
    return after if worth and overlap(before, after) >= _LEAST_IOU else before


def overlap(one: Mask, other: Mask) -> float:
    """Return the intersection over union of two masks; 1 if both are empty."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def shift(before: Mask, after: Mask) -> float:
    """Return how far an outline has moved, in pixels on average: the changed pixels for each edge on it."""
    padded = np.pad(before, 1)
    edges = sum(np.count_nonzero(np.diff(padded, axis=axis)) for axis in (0, 1))
    return np.count_nonzero(before != after) / max(edges, 1)
