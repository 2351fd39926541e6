"""Sharpen label maps with any number of labels in constant memory, as if each label had a channel."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.cues.cue import Cue, EmbeddingCue
from crispseg.data.box import Box
from crispseg.data.pixels import PartOfPixels, Pixels, TensorPixels, padded, read_resized
from crispseg.grid import Grid, Line
from crispseg.inference import guard
from crispseg.inference.checks import check_filtered
from crispseg.inference.finding_gentleness import contrast_of_labels
from crispseg.inference.gentleness import regard_of_image
from crispseg.inference.label_groups import Labelled, grouped
from crispseg.inference.padding import without_padding
from crispseg.inference.sharpener import Sharpener
from crispseg.ops import affinity, local_distance, local_filter, local_parity
from crispseg.ops._joint_upsample import joint_upsample_part
from crispseg.ops.interpolation import Axis, Sources, at_scores, blend, sources
from crispseg.ops.rebalancing import rebalanced, sums_around, thin_parts
from crispseg.window import Level, Window

_PASSES = 4
"""The number of passes after which the part of the image that a label has reached is found again."""

_WHOLE = 2.0**96
"""The value of a probability of 1 during filtering. With a value of 1, shares far from a label would become denormal
numbers, which are many times slower on processors."""

_NOTHING = 2.0**-4
"""The largest value that counts as 0: it never affects a digit of the likeliest of 65536 labels."""


class _Filter(NamedTuple):
    """A filter with the weights of its levels."""

    cue: Cue
    features: Tensor
    levels: Sequence[tuple[Level, Tensor]]


_Groups = Sequence[tuple[Tensor, Box]]
"""Labels that are filtered together, and the box that holds their shares before the filter."""


@torch.no_grad()
def sharpen_label_map(image: Tensor, labels: Tensor, sharpener: Sharpener, features: Tensor | None = None) -> Tensor:
    """Sharpen the label map of an image, as if each of its labels had a channel.

    Args:
        image: (3, H, W) RGB, uint8 or floating point in [0, 1].
        labels: (h, w) integers, at any resolution.
        sharpener: The sharpener, which runs on the device of its weights; its kind of scores has no effect.
        features: (1, D, H, W) features to use instead of those of the cue.

    Returns:
        (H, W) int64 on the CPU.

    Raises:
        InputError: If image, labels and features do not fit together.

    Example:
        >>> image, labels = torch.rand(3, 12, 16), torch.arange(12).reshape(3, 4)
        >>> sharpen_label_map(image, labels, Sharpener.from_pretrained()).shape
        torch.Size([12, 16])
    """
    sharpener, size, device = sharpener.of_labels(), (image.shape[-2], image.shape[-1]), sharpener.device
    given, _ = sharpener.expecting("probabilities").prepare(
        # Two channels stand for all: labels are mutually exclusive, so the checks expect a score at every pixel.
        image[None].to(device),
        (labels[None, None] * 0 + 0.5).float().expand(-1, 2, -1, -1).to(device),
        features,
    )
    whole, known = Box(0, 0, *size), without_padding(labels, sharpener.grid, size)
    compared, contrast = PartOfPixels(given[0], whole, size), contrast_of_labels(known, sharpener, size)
    return sharpened_labels(sharpener, TensorPixels(known[None]), compared, whole, contrast).cpu()


def sharpened_labels(
    sharpener: Sharpener, labels: Pixels, features: PartOfPixels, box: Box, contrast: float = 1.0
) -> Tensor:
    """Sharpen a part of a label map.

    The channels of the filter are independent. So labels that lie close together are filtered together, within the
    part of the image that they can reach, and each pixel keeps its likeliest label.

    Args:
        sharpener: The sharpener.
        labels: One channel of integers, at any resolution.
        features: Features of the cue for the box and its surroundings.
        box: The part, including the margin that the filter reaches.
        contrast: By how much the differences of pixels count more; see `Gentleness`.

    Returns:
        (*box.size) int64 labels, on the device of the features.
    """
    near = features.read(box)[None]
    if contrast != 1:
        near = near * contrast
    spread = _Spread(sharpener, labels, features, box, contrast)
    groups = [
        (
            torch.tensor(sorted(item.label for item in group), device=near.device),
            Box.enclosing([item.box for item in group]),
        )
        for group in grouped(spread.labelled(), 2 * sharpener.filter.reach)
    ]
    levels = [(level, _weights(spread, near, groups, level)) for level in sharpener.levels]
    filter = _Filter(sharpener.cue, near, levels)
    thin = None if sharpener.guard is None else _thin_parts(spread, groups)
    after = Likeliest(box.size, near.device)
    for ids, part in groups:
        shares, reached = _filtered(filter, spread.read(ids, part), part)
        if thin is not None:
            shares, reached = _guarded(spread, (ids, part), thin, shares, reached)
        after.add(shares, ids, reached)
    return after.label


def _thin_parts(spread: "_Spread", groups: _Groups) -> Tensor:
    """Return the mask of thin parts before the filter."""
    before = Likeliest(spread.box.size, spread.labels.device)
    for ids, part in groups:
        before.add(spread.read(ids, part), ids, part)
    return thin_parts(before.label, before.share > 0, spread.sharpener.thin_reach(spread.lines))


def _guarded(
    spread: "_Spread", group: tuple[Tensor, Box], thin: Tensor, shares: Tensor, reached: Box
) -> tuple[Tensor, Box]:
    """Return filtered shares after the guard, and the part of the box that they cover.

    Args:
        spread: The label map.
        group: The labels of the shares, and where they had shares before the filter.
        thin: Mask of the thin parts in the box.
        shares: The filtered shares.
        reached: Where they are.
    """
    ids, part = group
    radii, whole = guard.radii_of(spread.sharpener.levels), Box.enclosing([part, reached])
    outer = whole.grown(max(radii), spread.box.size)
    before, where = padded(spread.read(ids, part), part, outer), (..., *whole.within(outer).slices)
    kept = padded(shares, reached, whole).lerp(before[where], guard.KEEP_THIN * thin[whole.slices])
    around = {radius: sums_around(before, radius)[where] for radius in radii}
    assert spread.sharpener.guard is not None, "the caller has checked it"
    return rebalanced(kept, around, spread.sharpener.guard), whole


def _weights(spread: "_Spread", features: Tensor, groups: _Groups, level: Level) -> Tensor:
    """Return the (1, K, *box.size) weights of a level, as if each label had a channel."""
    cue, window, hardness = spread.sharpener.cue, level.window, spread.sharpener.hardness
    cue_hardness, score_weight = hardness * level.cue_weight, level.score_weight * spread.contrast
    if not level.score_weight:
        return cue.weights(features, window, cue_hardness)
    norm = cue.norm if isinstance(cue, EmbeddingCue) else 1
    apart = _differences(spread, window, groups, norm)
    if norm == 1:
        return cue.weights(features, window, cue_hardness) * torch.exp(-hardness * score_weight * apart)
    squares = (level.cue_weight * cue.distance(features, window)).square() + score_weight**2 * apart
    return affinity(squares.sqrt(), hardness)


def _differences(spread: "_Spread", window: Window, groups: _Groups, norm: int) -> Tensor:
    """Return (1, K, *box.size) sums of |p_i - p_j|, to the power of the norm, over all labels."""
    if spread.is_identity:  # a label against another one: 1 for both
        same, pairs = local_parity(spread.labels[None], window, ignore_index=int(spread.labels.min()) - 1)
        return 2.0 * (pairs & ~same)
    size = spread.box.size
    total = torch.zeros(1, window.count, *size, device=spread.labels.device)
    for ids, part in groups:
        near = part.grown(window.radius, size)
        outer = near.grown(window.radius, size)  # so that infinite distances lie outside the box alone
        shares = padded(spread.read(ids, part) / _WHOLE, part, outer)
        distance = local_distance(shares, window, norm=norm)
        rows, columns = near.within(outer).slices
        distance = distance[..., rows, columns]
        total[..., *near.slices] += distance if norm == 1 else distance.square()
    return total


def _filtered(filter: _Filter, shares: Tensor, part: Box) -> tuple[Tensor, Box]:
    """Return the shares after all passes, and the part of the box that they have reached."""
    size = (filter.features.shape[-2], filter.features.shape[-1])
    for level, weights in filter.levels:
        window, passes = level.window, level.passes
        for done in range(0, passes, _PASSES):
            now = min(_PASSES, passes - done)
            # Pixels at the edge of the filtered part lack neighbours: the margin is one pass wider than the reach.
            outer = part.grown(window.radius * (now + 1), size)
            rows, columns = outer.slices
            wide = padded(shares, part, outer)
            wide = local_filter(wide, weights[..., rows, columns], window, passes=now)
            check_filtered(wide, filter.cue, filter.features)
            part = part.grown(window.radius * now, size)
            rows, columns = part.within(outer).slices
            shares, part = _reached(F.threshold(wide[..., rows, columns], _NOTHING, 0), part)
    return shares, part


def _reached(shares: Tensor, part: Box) -> tuple[Tensor, Box]:
    """Crop shares and their box to the pixels that the labels have reached."""
    there = Box.around(shares[0].amax(0) > 0)
    return shares[(..., *there.slices)], there.out_of(part)


class _Spread:
    """The labels of a label map as the filter takes them: as probabilities 0 and 1, upsampled like scores."""

    def __init__(
        self, sharpener: Sharpener, labels: Pixels, features: PartOfPixels, box: Box, contrast: float = 1.0
    ) -> None:
        self.sharpener = sharpener
        self.contrast = contrast
        self.hardness = sharpener.hardness * regard_of_image(torch.tensor(contrast)).to(sharpener.device)
        self.features = features
        self.box = box
        self.coarse, self.size = labels.size, features.size
        self.lines = sharpener.grid.lines(self.size, self.coarse)
        self.is_identity = all(line.is_identity for line in self.lines)
        self.rows = _sources(box.top, box.bottom, self.lines[0])
        self.columns = _sources(box.left, box.right, self.lines[1])
        self.there = Box.between(self.rows.bounds, self.columns.bounds)
        self.labels = labels.read(self.there)[0].to(features.tensor.device, torch.int64)
        cue, self.centres = sharpener.cue, None
        if self.hardness and isinstance(cue, EmbeddingCue) and sharpener.upsamples_jointly(self.coarse, self.size):
            self.centres, self.norm = _centres(features, sharpener.grid, self.coarse, self.there), cue.norm

    def labelled(self) -> list[Labelled]:
        """Return every label, with the part of the box where it has a share."""
        there, index = torch.unique(self.labels, return_inverse=True)
        height, width = self.labels.shape
        ends = []
        for axis, where, first in ((0, self.rows, self.there.top), (1, self.columns, self.there.left)):
            place = torch.arange((height, width)[axis], device=index.device).unsqueeze(1 - axis).expand(height, width)
            low = torch.full((len(there),), height + width, device=index.device)
            low.scatter_reduce_(0, index.flatten(), place.flatten(), "amin")
            high = torch.zeros_like(low).scatter_reduce_(0, index.flatten(), place.flatten(), "amax")
            # Pixels interpolated from those places; sources never decrease along the axis. The first such pixel has a
            # later source that reaches the first place, the last has an earlier source that is at most the last place.
            starts = torch.searchsorted(where.behind - first, low.cpu())
            stops = torch.searchsorted(where.before - first, high.cpu(), right=True)
            ends.append((starts.tolist(), stops.tolist()))
        (tops, bottoms), (lefts, rights) = ends
        return [
            Labelled(*item)
            for item in zip(there.tolist(), map(Box, tops, lefts, bottoms, rights), strict=True)
            if min(item[1].size) > 0
        ]

    def read(self, ids: Tensor, part: Box) -> Tensor:
        """Return the (1, S, *part.size) shares of S labels in a part of the box."""
        rows, columns = _part_of(self.rows, part.top, part.bottom), _part_of(self.columns, part.left, part.right)
        coarse = Box.between(rows.bounds, columns.bounds)
        down, across = coarse.within(self.there).slices
        value = (self.labels[down, across] == ids[:, None, None]).float()[None] * _WHOLE
        if self.centres is None:
            return blend(blend(value, -1, columns.counted_from(coarse.left)), -2, rows.counted_from(coarse.top))
        there = part.out_of(self.box)
        near = self.features.read(there)[None]
        axes = Axis.of(self.lines[0], there.top, coarse.top), Axis.of(self.lines[1], there.left, coarse.left)
        return joint_upsample_part(value, self.centres[..., down, across], near, *axes, self.hardness, norm=self.norm)


def _sources(start: int, stop: int, line: Line) -> Sources:
    where = sources(start, stop, line)
    # Without resizing, a pixel depends on itself alone, not also on the next one with a share of 0.
    return where._replace(behind=where.before) if line.is_identity else where


def _part_of(where: Sources, start: int, stop: int) -> Sources:
    return Sources(*(value[start:stop] for value in where))


def _centres(features: PartOfPixels, grid: Grid, coarse: tuple[int, int], part: Box) -> Tensor:
    """Return the (1, D, *part.size) features at the centres of coarse pixels."""
    if part.size == coarse and features.tensor.shape[-2:] == features.size:
        return at_scores(features.tensor[None], coarse, grid)  # bit for bit as when the whole image is upsampled
    rows, columns = grid.lines(features.size, coarse)
    return read_resized(features, (rows.back(), columns.back()), part)[None]


class Likeliest:
    """The likeliest label of every pixel so far; of equally likely labels, the smaller one."""

    def __init__(self, size: tuple[int, int], device: torch.device) -> None:
        self.share = torch.zeros(size, device=device)
        self.label = torch.full(size, torch.iinfo(torch.int64).max, device=device)

    def add(self, shares: Tensor, labels: Tensor, box: Box) -> None:
        """Take (1, S, *box.size) shares of S labels in ascending order into account."""
        share, channel = shares[0].max(0)
        label, (rows, columns) = labels[channel], box.slices
        best, chosen = self.share[rows, columns], self.label[rows, columns]
        better = (share > best) | ((share == best) & (share > 0) & (label < chosen))
        best[better], chosen[better] = share[better], label[better]
