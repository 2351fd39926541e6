"""The labels of a label map as the filter takes them: a channel for each, made of the map when it is read."""

import torch
from torch import Tensor

from crispseg.cues.cue import EmbeddingCue
from crispseg.data.box import Box
from crispseg.data.pixels import PartOfPixels, Pixels, read_resized
from crispseg.grid import Grid, Line
from crispseg.inference.gentleness import regard_of_image
from crispseg.inference.label_groups import Labelled
from crispseg.inference.sharpener import Sharpener
from crispseg.ops._joint_upsample import joint_upsample_part
from crispseg.ops.interpolation import Axis, Sources, at_scores, blend, sources

WHOLE = 2.0**96
"""The value of a probability of 1 during filtering. With a value of 1, shares far from a label would become denormal
numbers, which are many times slower on processors."""


class LabelChannels:
    """The labels of a part of a label map as probabilities 0 and 1, upsampled like scores, times `WHOLE`.

    Args:
        sharpener: The sharpener of the labels.
        labels: One channel of integers, at any resolution.
        features: Features of the cue for the box and its surroundings.
        box: The part.
        contrast: By how much the differences of pixels count more; see `Gentleness`.
    """

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
        value = (self.labels[down, across] == ids[:, None, None]).float()[None] * WHOLE
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
