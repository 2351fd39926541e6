"""How scores come to the size of an image."""

import torch
from torch import Tensor

from crispseg.cues import Cue
from crispseg.cues.cue import EmbeddingCue
from crispseg.grid import Grid, Line
from crispseg.inference.batch import blank_outside, resize, to_probabilities
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
) -> Tensor:
    """(N, C, h, w) scores of a kind to (N, C, H, W) probabilities, where (N, D, H, W) features of a cue are."""
    lines = grid.lines((features.shape[-2], features.shape[-1]), (scores.shape[-2], scores.shape[-1]))
    if isinstance(cue, EmbeddingCue) and torch.compiler.is_exporting() and upsampling == "joint":
        # Which of the two is found when an exported program runs, not when it is made.
        joint = joint_upsample(to_probabilities(scores, kind), features, hardness, norm=cue.norm, grid=grid)
        both = torch.where(_are_coarse(lines).to(scores.device), joint, _bilinear(scores, lines, kind, grid))
        return blank_outside(both, lines, grid)
    if isinstance(cue, EmbeddingCue) and upsamples_jointly(cue, upsampling, lines):
        joint = joint_upsample(to_probabilities(scores, kind), features, hardness, norm=cue.norm, grid=grid)
        return blank_outside(joint, lines, grid)
    return blank_outside(_bilinear(scores, lines, kind, grid), lines, grid)


def upsamples_jointly(cue: Cue, upsampling: Upsampling, lines: tuple[Line, Line]) -> bool:
    """Whether scores on which rows and columns of the image fall so come to its size along the cue."""
    much = all(2 * line.steps <= line.pixels for line in lines)
    return much and upsampling == "joint" and isinstance(cue, EmbeddingCue)


def _bilinear(scores: Tensor, lines: tuple[Line, Line], kind: Scores, grid: Grid) -> Tensor:
    return to_probabilities(resize(scores, (lines[0].resized, lines[1].resized), grid), kind)


def _are_coarse(lines: tuple[Line, Line]) -> Tensor:
    """Whether a score is as long as two pixels or more, in rows and columns, as a tensor."""
    rows, columns = (2 * torch.scalar_tensor(line.steps) <= torch.scalar_tensor(line.pixels) for line in lines)
    return rows & columns
