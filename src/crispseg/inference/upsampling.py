"""How scores come to the size of an image."""

import torch
from torch import Tensor

from crispseg.cues import Cue
from crispseg.cues.cue import EmbeddingCue
from crispseg.inference.batch import resize
from crispseg.inference.shares import Shares
from crispseg.ops import joint_upsample
from crispseg.scores import Scores, Upsampling


def upsample(
    scores: Tensor, features: Tensor, cue: Cue, hardness: float | Tensor, *, kind: Scores, upsampling: Upsampling
) -> Shares:
    """(N, C, h, w) scores of a kind to their shares, where (N, D, H, W) features of a cue are."""
    size, coarse = (features.shape[-2], features.shape[-1]), (scores.shape[-2], scores.shape[-1])
    if isinstance(cue, EmbeddingCue) and torch.compiler.is_exporting() and upsampling == "joint":
        # Which of the two is found when an exported program runs, not when it is made.
        joint, bilinear = _joint(scores, features, cue, hardness, kind), _bilinear(scores, size, kind)
        chosen = torch.where(_is_coarse(coarse, size).to(scores.device), joint.values, bilinear.values)
        return joint.with_values(chosen)
    if isinstance(cue, EmbeddingCue) and upsamples_jointly(cue, upsampling, coarse, size):
        return _joint(scores, features, cue, hardness, kind)
    return _bilinear(scores, size, kind)


def upsamples_jointly(cue: Cue, upsampling: Upsampling, coarse: tuple[int, int], size: tuple[int, int]) -> bool:
    """Whether scores of a coarse (height, width) come to a size along the cue."""
    much = 2 * coarse[0] <= size[0] and 2 * coarse[1] <= size[1]
    return much and upsampling == "joint" and isinstance(cue, EmbeddingCue)


def _joint(scores: Tensor, features: Tensor, cue: EmbeddingCue, hardness: float | Tensor, kind: Scores) -> Shares:
    shares = Shares.of(scores, kind)
    return shares.with_values(joint_upsample(shares.values, features, hardness, norm=cue.norm))


def _bilinear(scores: Tensor, size: tuple[int, int], kind: Scores) -> Shares:
    return Shares.of(resize(scores, size), kind)


def _is_coarse(coarse: tuple[int, int], size: tuple[int, int]) -> Tensor:
    """Whether both sides are half or less, as a tensor."""
    sides = zip(coarse, size, strict=True)
    height, width = (2 * torch.scalar_tensor(few) <= torch.scalar_tensor(full) for few, full in sides)
    return height & width
