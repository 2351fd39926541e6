"""Upsample scores to the size of an image."""

import torch
from torch import Tensor

from crispseg.cues import Cue
from crispseg.cues.cue import EmbeddingCue
from crispseg.grid import Grid, Line
from crispseg.inference.batch import resize, uncovered
from crispseg.inference.shares import Shares
from crispseg.ops import joint_upsample
from crispseg.scores import Scores, Upsampling


def upsample(
    scores: Tensor,
    features: Tensor,
    cue: Cue,
    hardness: float | Tensor,
    *,
    kind: Scores,
    upsampling: Upsampling,
    grid: Grid,
) -> Shares:
    """Return the shares of (N, C, h, w) scores of a kind, at the size of the (N, D, H, W) features of a cue."""
    lines = grid.lines((features.shape[-2], features.shape[-1]), (scores.shape[-2], scores.shape[-1]))
    if isinstance(cue, EmbeddingCue) and torch.compiler.is_exporting() and upsampling == "joint":
        # The program computes both, since it can choose only when it runs, not when it is exported.
        joint = _joint(scores, features, cue, hardness, kind=kind, grid=grid)
        bilinear = _bilinear(scores, lines, kind, grid)
        shares = joint.with_values(torch.where(_are_coarse(lines).to(scores.device), joint.values, bilinear.values))
    elif isinstance(cue, EmbeddingCue) and upsamples_jointly(cue, upsampling, lines):
        shares = _joint(scores, features, cue, hardness, kind=kind, grid=grid)
    else:
        shares = _bilinear(scores, lines, kind, grid)
    return shares.without(uncovered(lines, grid, features.device))


def upsamples_jointly(cue: Cue, upsampling: Upsampling, lines: tuple[Line, Line]) -> bool:
    """Return whether scores are upsampled along the cue, given how the rows and columns of the image map to them."""
    much = all(2 * line.steps <= line.pixels for line in lines)
    return much and upsampling == "joint" and isinstance(cue, EmbeddingCue)


def _joint(
    scores: Tensor, features: Tensor, cue: EmbeddingCue, hardness: float | Tensor, *, kind: Scores, grid: Grid
) -> Shares:
    shares = Shares.of(scores, kind)
    return shares.with_values(joint_upsample(shares.values, features, hardness, norm=cue.norm, grid=grid))


def _bilinear(scores: Tensor, lines: tuple[Line, Line], kind: Scores, grid: Grid) -> Shares:
    return Shares.of(resize(scores, (lines[0].resized, lines[1].resized), grid), kind)


def _are_coarse(lines: tuple[Line, Line]) -> Tensor:
    """Return as a tensor whether a score is at least two pixels high and wide."""
    rows, columns = (2 * torch.scalar_tensor(line.steps) <= torch.scalar_tensor(line.pixels) for line in lines)
    return rows & columns
