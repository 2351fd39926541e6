"""The classes that matter: classes that are negligible in the whole image go through the filter as one channel."""

from typing import NamedTuple, Protocol, Self

import torch
from torch import Tensor

from crispseg.ops.scores_of_shares import is_divided, logs_of_shares, to_scores

_NUMBERS_AT_ONCE = 2**19
"""The size of temporary maps, 2 MB: they stay in the processor's cache."""

LANES = 8
"""The number of channels that the kernels filter together; up to 8 cost as much as one."""


class Resize(Protocol):
    """A linear function that brings (N, S, h, w) maps to another size."""

    def __call__(self, values: Tensor) -> Tensor:
        """Return the (N, S, H, W) maps, which may be the given ones."""

    def cropped(self, rows: slice, columns: slice) -> "Resize":
        """Return the function that gives a part of these maps."""

    def scores(self, shares: Tensor, before: Tensor, after: Tensor, whole: float | None) -> Tensor:
        """Return scores of the shares that it gives; see `crispseg.ops._joint_upsample_scores`."""


class AsIs(NamedTuple):
    """Returns a part of maps that have the right size."""

    rows: slice = slice(None)
    columns: slice = slice(None)

    def __call__(self, values: Tensor) -> Tensor:
        """Return the part."""
        return values[..., self.rows, self.columns]

    def cropped(self, rows: slice, columns: slice) -> "AsIs":
        """Return the function that gives a part of the part."""
        return AsIs(within(rows, self.rows), within(columns, self.columns))

    def scores(self, shares: Tensor, before: Tensor, after: Tensor, whole: float | None) -> Tensor:
        """Return the scores of the part."""
        return to_scores(self(shares).clone(), before, after, whole)


def within(inner: slice, outer: slice) -> slice:
    """Return the slice that takes a slice of what another one takes."""
    first = outer.start or 0
    return slice(first + inner.start, first + inner.stop)


class Kept(NamedTuple):
    """Which classes of each image are filtered on their own."""

    classes: Tensor
    """(N, K) int64: the kept classes in ascending order; unused places at the end repeat a class."""
    used: Tensor
    """(N, K) bool: which places hold a class. Images of a batch may keep different numbers of classes."""
    left: Tensor
    """(N, C) bool: the classes that are left out, in whose place the filter takes their sum."""


class Merged(NamedTuple):
    """How to get all classes back from the kept ones and their rest."""

    kept: Kept
    source: Tensor
    """(N, C, h, w) shares of all classes before they were merged and upsampled."""
    typical: Tensor
    """(N, C, 1, 1): what part of the rest each class is over the whole image; for pixels whose own rest is 0."""
    rest: Tensor
    """(N, 1, H, W) rest before the filter."""
    resized: Resize
    """Brings maps like `source` to the size of `rest`."""

    @classmethod
    def of(cls, values: Tensor, kept: Kept) -> "tuple[Tensor, Merged]":
        """Return the (N, K + 1, h, w) shares of the kept classes, followed by the rest; and how to get all back."""
        few = torch.stack([image[classes] for image, classes in zip(values, kept.classes, strict=True)])
        rest, tiny = torch.zeros_like(values[:, :1]), torch.finfo(values.dtype).tiny
        totals = values.new_zeros(kept.left.shape)
        for some in torch.split(kept.left.any(0).nonzero().flatten(), _together(values)):
            left = kept.left[:, some]
            shares = values[:, some].clamp_(min=0).masked_fill_(~_as_maps(left), 0)
            rest += shares.sum(1, keepdim=True)
            totals[:, some] = shares.mean((2, 3)) + tiny * left
        typical = totals / totals.sum(1, keepdim=True).clamp(min=tiny)
        few = torch.cat([few.masked_fill(~_as_maps(kept.used), 0), rest], 1)
        return few, cls(kept, values, _as_maps(typical), rest, AsIs())

    def upsampled(self, upsample: Resize, few: Tensor) -> Self:
        """Return the same for (N, K + 1, H, W) shares before the filter that a linear function has upsampled."""
        return self._replace(rest=few[:, -1:].clone(), resized=upsample)

    def cropped(self, rows: slice, columns: slice) -> Self:
        """Return the same for a part of the image."""
        return self._replace(rest=self.rest[..., rows, columns], resized=self.resized.cropped(rows, columns))

    def expanded(self, few: Tensor) -> Tensor:
        """Return the (N, C, H, W) shares of all classes for the filtered (N, K + 1, H, W) ones.

        Each class that was left out gets the filtered rest in proportion to its own part of the rest in that pixel; or,
        where the rest was nothing beside what the filter brought, to its part of the rest over the whole image.
        """
        after = few[:, -1:]
        known = is_divided(self.rest, after)
        parts = self.resized(self.source).clamp(min=0).mul_(torch.where(known, after / self.rest, 0))
        if not known.all():
            parts = torch.where(known, parts, self.typical * after)
        return self._with_kept(parts, few[:, :-1])

    def scores(self, few: Tensor, whole: float | None) -> Tensor:
        """Return the (N, C, H, W) scores of all classes for the filtered (N, K + 1, H, W) shares.

        Args:
            few: The filtered shares.
            whole: The share of a probability of 1, for scores that are logarithms; None for probabilities.
        """
        after = few[:, -1:]
        known = is_divided(self.rest, after)
        scores = self.resized.scores(self.source, self.rest, after, whole)
        if not known.all():
            scores = torch.where(known, scores, _scores(self.typical * after, whole))
        return self._with_kept(scores, _scores(few[:, :-1], whole))

    def _with_kept(self, every: Tensor, few: Tensor) -> Tensor:
        """Put (N, K, H, W) maps of the kept classes into those of all classes, and return these."""
        for n, (classes, used) in enumerate(zip(self.kept.classes, self.kept.used, strict=True)):
            every[n, classes[used]] = few[n][used]
        return every


def _scores(shares: Tensor, whole: float | None) -> Tensor:
    return shares.clamp(0, 1) if whole is None else logs_of_shares(shares, whole)


def kept_classes(values: Tensor, whole: float, negligible: float) -> Kept | None:
    """Return the classes to filter on their own; None if merging the others saves nothing.

    In each image by itself, classes are left out in the order of their largest share, from the smallest, as long as
    their sum is at most `negligible` in every pixel. So all that they can have after an average is at most that.

    Args:
        values: (N, C, h, w) shares of exclusive classes.
        whole: The share of a probability of 1.
        negligible: The largest probability that all classes left out may have together in a pixel.
    """
    num_classes = values.shape[1]
    largest, order = values.amax((2, 3)).sort(dim=1, stable=True)
    counts = [
        _count_left(image, channels, candidates, whole * negligible)
        for image, channels, candidates in zip(
            values, order, (largest <= whole * negligible).sum(1).tolist(), strict=True
        )
    ]
    left = torch.zeros(values.shape[:2], dtype=torch.bool, device=values.device)
    counts = [count if _blocks(num_classes - count + 1) < _blocks(num_classes) else 0 for count in counts]
    if not any(counts):
        return None
    for row, channels, count in zip(left, order, counts, strict=True):
        row[channels[:count]] = True
    most = num_classes - min(counts)
    index = left.to(torch.uint8).sort(dim=1, stable=True).indices[:, :most]
    return Kept(index, ~left.gather(1, index), left)


def _count_left(image: Tensor, order: Tensor, candidates: int, limit: float) -> int:
    """Return how many of the (C, h, w) channels, in this order, sum to at most the limit in every pixel."""
    total, order = torch.zeros_like(image[0]), order[:candidates]
    for some in torch.split(order, _together(image)):
        total += image[some].clamp_(min=0).sum(0)
    if candidates and total.amax() <= limit:  # as it is most of the time; no sum of fewer is larger
        return candidates
    total.zero_()
    peaks = []
    for channel in order:
        total += image[channel].clamp(min=0)
        peaks.append(total.amax())
    return int((torch.stack(peaks) <= limit).sum()) if peaks else 0


def _together(maps: Tensor) -> int:
    """Return how many of the channels of maps to sum at a time, so that temporary maps stay small."""
    return max(1, _NUMBERS_AT_ONCE // (maps.shape[-2] * maps.shape[-1]))


def _blocks(channels: int) -> int:
    return -(-channels // LANES)


def _as_maps(values: Tensor) -> Tensor:
    return values[..., None, None]
