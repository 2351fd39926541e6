"""The classes that matter: classes that are negligible in the whole image go through the filter as one channel."""

from collections.abc import Callable
from typing import NamedTuple, Self

import torch
from torch import Tensor

LANES = 8
"""The number of channels that the kernels filter together; up to 8 cost as much as one."""

TOGETHER = 4
"""The number of channels that are converted at a time, so that temporary maps stay few and in a core's cache."""

Resize = Callable[[Tensor, slice], Tensor]
"""A linear function that brings (N, S, h, w) maps to another size, and returns the given rows of the result."""


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
        for channel in kept.left.any(0).nonzero().flatten().tolist():
            left = kept.left[:, channel, None, None]
            share = values[:, channel].clamp(min=0)
            if not left.all():
                share.masked_fill_(~left, 0)
            rest[:, 0] += share
            totals[:, channel] = share.mean((1, 2)) + tiny * left[:, 0, 0]
        typical = totals / totals.sum(1, keepdim=True).clamp(min=tiny)
        few = torch.cat([few.masked_fill(~_as_maps(kept.used), 0), rest], 1)
        return few, cls(kept, values, _as_maps(typical), rest, _as_is)

    def upsampled(self, upsample: Resize, few: Tensor) -> Self:
        """Return the same for (N, K + 1, H, W) shares before the filter that a linear function has upsampled."""
        return self._replace(rest=few[:, -1:].clone(), resized=upsample)

    def cropped(self, rows: slice, columns: slice) -> Self:
        """Return the same for a part of the image."""

        def crop(value: Tensor, part: slice) -> Tensor:
            first, end, _ = part.indices(rows.stop - rows.start)
            return self.resized(value, slice(rows.start + first, rows.start + end))[..., columns]

        return self._replace(rest=self.rest[..., rows, columns], resized=crop)

    def expanded(self, few: Tensor, rows: slice = slice(None)) -> Tensor:
        """Return shares of all classes, (N, C, H, W) or some rows of them, for the filtered (N, K + 1, H, W) ones.

        Each class that was left out gets the filtered rest in proportion to its own part of the rest in that pixel.
        """
        few, rest = few[..., rows, :], self.rest[..., rows, :]
        result = self.resized(self.source, rows).clamp(min=0)
        known = rest > 0
        if known.all():
            result.div_(rest)
        else:
            result = torch.where(known, result.div_(torch.where(known, rest, 1)), self.typical)
        result.mul_(few[:, -1:])
        for n, (classes, used) in enumerate(zip(self.kept.classes, self.kept.used, strict=True)):
            result[n, classes[used]] = few[n, :-1][used]
        return result


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
            values, order.tolist(), (largest <= whole * negligible).sum(1).tolist(), strict=True
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


def _count_left(image: Tensor, order: list[int], candidates: int, limit: float) -> int:
    """Return how many of the (C, h, w) channels, in this order, sum to at most the limit in every pixel."""
    total, share = torch.zeros_like(image[0]), torch.empty_like(image[0])
    for channel in order[:candidates]:
        total += torch.clamp(image[channel], min=0, out=share)
    if candidates and total.amax() <= limit:  # as it is most of the time; no sum of fewer is larger
        return candidates
    total.zero_()
    peaks = []
    for channel in order[:candidates]:
        total += image[channel].clamp(min=0)
        peaks.append(total.amax())
    return int((torch.stack(peaks) <= limit).sum()) if peaks else 0


def _blocks(channels: int) -> int:
    return -(-channels // LANES)


def _as_maps(values: Tensor) -> Tensor:
    return values[..., None, None]


def _as_is(value: Tensor, rows: slice) -> Tensor:
    return value[..., rows, :]
