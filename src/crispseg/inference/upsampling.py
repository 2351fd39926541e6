"""Bring scores and labels to the size of an image."""

from typing import NamedTuple

import torch
from torch import Tensor

from crispseg.checks import is_recorded
from crispseg.compatibility import is_exporting
from crispseg.cues import Cue
from crispseg.cues.cue import EmbeddingCue
from crispseg.data.box import Box
from crispseg.grid import CENTRES, Grid, Line
from crispseg.inference.merging import within
from crispseg.inference.padding import without_padding
from crispseg.inference.shares import Shares
from crispseg.ops._joint_upsample import joint_upsample_part
from crispseg.ops._joint_upsample_scores import joint_upsample_scores
from crispseg.ops.interpolation import Axis, at_scores, blend, inside, resample, sources
from crispseg.ops.scores_of_shares import to_scores
from crispseg.scores import PROBABILITIES, Scores, Upsampling


def upsample(
    scores: Tensor,
    features: Tensor,
    cue: Cue,
    hardness: float | Tensor,
    *,
    kind: Scores,
    upsampling: Upsampling,
    grid: Grid,
    negligible: float = 0.0,
) -> Shares:
    """Return the shares of (N, C, h, w) scores of a kind, at the size of the (N, D, H, W) features of a cue.

    Classes whose probabilities sum to at most `negligible` in every pixel are merged; see `Shares.merging`.
    """
    if is_recorded(scores, features, hardness):
        negligible = 0.0  # every class gets its gradient, and a trace holds for all values
    lines = grid.lines((features.shape[-2], features.shape[-1]), (scores.shape[-2], scores.shape[-1]))
    if isinstance(cue, EmbeddingCue) and is_exporting() and upsampling == "joint":
        # The program computes both, since it can choose only when it runs, not when it is exported.
        joint = _joint(Shares.of(scores, kind), features, cue, hardness, grid)
        bilinear = _bilinear(scores, lines, kind, grid)
        shares = joint.with_values(torch.where(_are_coarse(lines).to(scores.device), joint.values, bilinear.values))
    elif isinstance(cue, EmbeddingCue) and upsamples_jointly(cue, upsampling, lines):
        # An average of coarse shares is at most the largest, so the classes can be chosen before they are upsampled.
        shares = _joint(Shares.of(scores, kind).merging(negligible), features, cue, hardness, grid)
    elif kind in PROBABILITIES:
        shares = Shares.of(scores, kind).merging(negligible).upsampled(BilinearResize(lines, grid))
    else:  # logits are interpolated as they are, after which a class may have a larger probability than before
        shares = _bilinear(scores, lines, kind, grid).merging(negligible)
    return shares.without(uncovered(lines, grid, features.device))


def upsamples_jointly(cue: Cue, upsampling: Upsampling, lines: tuple[Line, Line]) -> bool:
    """Return whether scores are upsampled along the cue, given how the rows and columns of the image map to them."""
    much = all(2 * line.steps <= line.pixels for line in lines)
    return much and upsampling == "joint" and isinstance(cue, EmbeddingCue)


class JointResize(NamedTuple):
    """Upsamples maps along the features of an image; see `crispseg.ops.joint_upsample`."""

    centres: Tensor
    features: Tensor
    axes: tuple[Axis, Axis]
    hardness: float | Tensor
    norm: int

    def __call__(self, values: Tensor) -> Tensor:
        """Return the (N, S, H, W) maps."""
        return joint_upsample_part(values, self.centres, self.features, *self.axes, self.hardness, norm=self.norm)

    def cropped(self, rows: slice, columns: slice) -> "JointResize":
        """Return the function that gives a part of these maps."""
        down, across = (
            axis._replace(start=axis.start + part.start) for axis, part in zip(self.axes, (rows, columns), strict=True)
        )
        return self._replace(features=self.features[..., rows, columns], axes=(down, across))

    def scores(self, shares: Tensor, before: Tensor, after: Tensor, whole: float | None) -> Tensor:
        """Return scores of the shares that it gives; see `crispseg.ops._joint_upsample_scores`."""
        maps = shares, self.centres, self.features, before, after
        return joint_upsample_scores(*maps, *self.axes, self.hardness, norm=self.norm, whole=whole)


class BilinearResize(NamedTuple):
    """Resizes maps bilinearly."""

    lines: tuple[Line, Line]
    grid: Grid
    part: tuple[slice, slice] | None = None
    """Rows and columns of the result; None for all."""

    def __call__(self, values: Tensor) -> Tensor:
        """Return the (N, S, H, W) maps."""
        if self.part is None:
            return resize(values, (self.lines[0].resized, self.lines[1].resized), self.grid)
        for axis, line, part in zip((-2, -1), self.lines, self.part, strict=True):
            values = blend(values, axis, sources(part.start, part.stop, line, values.device))
        return values

    def cropped(self, rows: slice, columns: slice) -> "BilinearResize":
        """Return the function that gives a part of these maps."""
        down, across = self.part or (slice(0, self.lines[0].resized), slice(0, self.lines[1].resized))
        return self._replace(part=(within(rows, down), within(columns, across)))

    def scores(self, shares: Tensor, before: Tensor, after: Tensor, whole: float | None) -> Tensor:
        """Return scores of the shares that it gives; see `crispseg.ops._joint_upsample_scores`."""
        resized = self(shares)
        return to_scores(resized.clone() if resized is shares else resized, before, after, whole)


def _joint(shares: Shares, features: Tensor, cue: EmbeddingCue, hardness: float | Tensor, grid: Grid) -> Shares:
    size, coarse = (features.shape[-2], features.shape[-1]), (shares.values.shape[-2], shares.values.shape[-1])
    centres, (rows, columns) = at_scores(features, coarse, grid), grid.lines(size, coarse)
    return shares.upsampled(JointResize(centres, features, (Axis.of(rows), Axis.of(columns)), hardness, cue.norm))


def _bilinear(scores: Tensor, lines: tuple[Line, Line], kind: Scores, grid: Grid) -> Shares:
    return Shares.of(resize(scores, (lines[0].resized, lines[1].resized), grid), kind)


def _are_coarse(lines: tuple[Line, Line]) -> Tensor:
    """Return as a tensor whether a score is at least two pixels high and wide."""
    rows, columns = (2 * torch.scalar_tensor(line.steps) <= torch.scalar_tensor(line.pixels) for line in lines)
    return rows & columns


def upsampled_labels(labels: Tensor, size: tuple[int, int], grid: Grid = CENTRES) -> Tensor:
    """Return (h, w) labels at another size: the likeliest ones if each label had a channel that is resized bilinearly.

    Example:
        >>> upsampled_labels(torch.tensor([[7, 3]]), (1, 4), Grid("stretched"))
        tensor([[7, 7, 3, 3]])
    """
    labels, lines = without_padding(labels, grid, size), grid.lines(size, (labels.shape[0], labels.shape[1]))
    if all(line.is_identity for line in lines):
        return labels
    rows, columns = (sources(0, line.resized, line, labels.device) for line in lines)
    corners = [labels[down[:, None], across] for down in rows[:2] for across in columns[:2]]
    best, chosen = torch.zeros(size, device=labels.device), corners[0]
    for label in corners:
        above, below = (
            (corners[i] == label) * (1 - columns.share) + (corners[i + 1] == label) * columns.share for i in (0, 2)
        )
        share = above * (1 - rows.share[:, None]) + below * rows.share[:, None]
        better = (share > best) | ((share == best) & (label < chosen))
        best, chosen = torch.where(better, share, best), torch.where(better, label, chosen)
    return chosen


def resize(value: Tensor, size: tuple[int, int], grid: Grid = CENTRES) -> Tensor:
    """Resize an (N, C, h, w) map that lies on an image by a grid to (N, C, *size), the image's size, bilinearly."""
    # While exporting, this branch would limit the program to scores of the image's size, or to all other sizes.
    if not is_exporting():
        lines = grid.lines(size, (value.shape[-2], value.shape[-1]))
        if all(line.is_identity for line in lines):
            return value
    return resample(value, size, grid)


def resize_scores(scores: Tensor, size: tuple[int, int], grid: Grid, kind: Scores) -> Tensor:
    """Resize (N, C, h, w) scores to (N, C, *size) of the same kind; pixels without scores get unlikely labels."""
    resized = resize(without_padding(scores, grid, size), size, grid)
    blank = uncovered(grid.lines(size, (scores.shape[-2], scores.shape[-1])), grid, scores.device)
    if blank is None:
        return resized
    unlikely = Shares.of(torch.zeros_like(scores[:1, :, :1, :1]), kind).without(torch.tensor(data=True)).scores()
    return torch.where(blank, unlikely, resized)


def uncovered(
    lines: tuple[Line, Line], grid: Grid, device: torch.device | None, box: Box | None = None
) -> Tensor | None:
    """Return an (H, W) bool mask, of an image or a part of it, of pixels without scores.

    It is None if the grid always covers the whole image.
    """
    if not grid.is_free:
        return None
    top, left, bottom, right = box or (0, 0, lines[0].resized, lines[1].resized)
    rows, columns = inside(top, bottom, lines[0], device), inside(left, right, lines[1], device)
    return ~(rows[:, None] & columns)
