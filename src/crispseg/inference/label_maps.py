"""Sharpen label maps with any number of labels in constant memory, as if each label had a channel."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.cues.cue import Cue, EmbeddingCue
from crispseg.data.box import Box
from crispseg.data.pixels import PartOfPixels, Pixels, TensorPixels, padded
from crispseg.inference import guard
from crispseg.inference.checks import check_filtered
from crispseg.inference.finding_gentleness import contrast_of_labels
from crispseg.inference.label_channels import WHOLE, LabelChannels
from crispseg.inference.label_groups import grouped
from crispseg.inference.padding import without_padding
from crispseg.inference.sharpener import Sharpener
from crispseg.ops import affinity, local_distance, local_filter, local_parity
from crispseg.ops.rebalancing import rebalanced, sums_around, thin_parts
from crispseg.window import Level, Window

_PASSES = 4
"""The number of passes after which the part of the image that a label has reached is found again."""

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
    compared, contrast = PartOfPixels(given[0], whole, size), contrast_of_labels(TensorPixels(image), known, sharpener)
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
    channels = LabelChannels(sharpener, labels, features, box, contrast)
    groups = [
        (
            torch.tensor(sorted(item.label for item in group), device=near.device),
            Box.enclosing([item.box for item in group]),
        )
        for group in grouped(channels.labelled(), 2 * sharpener.filter.reach)
    ]
    levels = [(level, _weights(channels, near, groups, level)) for level in sharpener.levels]
    filter = _Filter(sharpener.cue, near, levels)
    thin = None if sharpener.guard is None else _thin_parts(channels, groups)
    after = Likeliest(box.size, near.device)
    for ids, part in groups:
        shares, reached = _filtered(filter, channels.read(ids, part), part)
        if thin is not None:
            shares, reached = _guarded(channels, (ids, part), thin, shares, reached)
        after.add(shares, ids, reached)
    return after.label


def _thin_parts(channels: LabelChannels, groups: _Groups) -> Tensor:
    """Return the mask of thin parts before the filter."""
    before = Likeliest(channels.box.size, channels.labels.device)
    for ids, part in groups:
        before.add(channels.read(ids, part), ids, part)
    return thin_parts(before.label, before.share > 0, channels.sharpener.thin_reach(channels.lines))


def _guarded(
    channels: LabelChannels, group: tuple[Tensor, Box], thin: Tensor, shares: Tensor, reached: Box
) -> tuple[Tensor, Box]:
    """Return filtered shares after the guard, and the part of the box that they cover.

    Args:
        channels: The channels of the label map.
        group: The labels of the shares, and where they had shares before the filter.
        thin: Mask of the thin parts in the box.
        shares: The filtered shares.
        reached: Where they are.
    """
    ids, part = group
    radii, whole = guard.radii_of(channels.sharpener.levels), Box.enclosing([part, reached])
    outer = whole.grown(max(radii), channels.box.size)
    before, where = padded(channels.read(ids, part), part, outer), (..., *whole.within(outer).slices)
    kept = padded(shares, reached, whole).lerp(before[where], guard.KEEP_THIN * thin[whole.slices])
    around = {radius: sums_around(before, radius)[where] for radius in radii}
    assert channels.sharpener.guard is not None, "the caller has checked it"
    return rebalanced(kept, around, channels.sharpener.guard), whole


def _weights(channels: LabelChannels, features: Tensor, groups: _Groups, level: Level) -> Tensor:
    """Return the (1, K, *box.size) weights of a level, as if each label had a channel."""
    cue, window, hardness = channels.sharpener.cue, level.window, channels.sharpener.hardness
    cue_hardness, score_weight = hardness * level.cue_weight, level.score_weight * channels.contrast
    if not level.score_weight:
        return cue.weights(features, window, cue_hardness)
    norm = cue.norm if isinstance(cue, EmbeddingCue) else 1
    apart = _differences(channels, window, groups, norm)
    if norm == 1:
        return cue.weights(features, window, cue_hardness) * torch.exp(-hardness * score_weight * apart)
    squares = (level.cue_weight * cue.distance(features, window)).square() + score_weight**2 * apart
    return affinity(squares.sqrt(), hardness)


def _differences(channels: LabelChannels, window: Window, groups: _Groups, norm: int) -> Tensor:
    """Return (1, K, *box.size) sums of |p_i - p_j|, to the power of the norm, over all labels."""
    if channels.is_identity:  # a label against another one: 1 for both
        same, pairs = local_parity(channels.labels[None], window, ignore_index=int(channels.labels.min()) - 1)
        return 2.0 * (pairs & ~same)
    size = channels.box.size
    total = torch.zeros(1, window.count, *size, device=channels.labels.device)
    for ids, part in groups:
        near = part.grown(window.radius, size)
        outer = near.grown(window.radius, size)  # so that infinite distances lie outside the box alone
        shares = padded(channels.read(ids, part) / WHOLE, part, outer)
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
