"""Cues, which tell which neighbours belong with a pixel (paper sec. 3 and 5)."""

from crispseg.cues.contour import ContourCue
from crispseg.cues.cue import Cue, EmbeddingCue
from crispseg.cues.joined import JoinedCue
from crispseg.cues.learned import LearnedCue
from crispseg.cues.making import CueTraits, describe_cue, make_cue, networks_of, single_cues, traits_of
from crispseg.cues.rgb import RGBCue
from crispseg.cues.soft_segmentation import SoftSegmentationCue

__all__ = [
    "ContourCue",
    "Cue",
    "CueTraits",
    "EmbeddingCue",
    "JoinedCue",
    "LearnedCue",
    "RGBCue",
    "SoftSegmentationCue",
    "describe_cue",
    "make_cue",
    "networks_of",
    "single_cues",
    "traits_of",
]
