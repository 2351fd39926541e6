"""Cues: what tells a pixel which of its neighbours belong with it (paper sec. 3 and 5)."""

from crispseg.cues.contour import ContourCue
from crispseg.cues.cue import Cue, EmbeddingCue
from crispseg.cues.learned import LearnedCue
from crispseg.cues.rgb import RGBCue
from crispseg.cues.soft_segmentation import SoftSegmentationCue

CUES: dict[str, type[Cue]] = {
    "learned": LearnedCue,
    "rgb": RGBCue,
    "soft": SoftSegmentationCue,
    "contour": ContourCue,
}
"""The paper's four cues by name; `CUES[name].default_hardness` is the λ to start from."""

__all__ = ["CUES", "ContourCue", "Cue", "EmbeddingCue", "LearnedCue", "RGBCue", "SoftSegmentationCue"]
