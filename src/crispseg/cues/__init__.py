"""Cues, which tell which neighbours belong with a pixel (paper sec. 3 and 5)."""

from crispseg.cues.contour import ContourCue
from crispseg.cues.cue import Cue, EmbeddingCue
from crispseg.cues.learned import LearnedCue
from crispseg.cues.making import describe_cue, make_cue
from crispseg.cues.rgb import RGBCue
from crispseg.cues.soft_segmentation import SoftSegmentationCue

__all__ = [
    "ContourCue",
    "Cue",
    "EmbeddingCue",
    "LearnedCue",
    "RGBCue",
    "SoftSegmentationCue",
    "describe_cue",
    "make_cue",
]
