"""What sharpening gains on labelled images, and the options with which it gains most."""

from crispseg.tuning.evaluate import evaluate
from crispseg.tuning.tune import Tuning, tune
from crispseg.tuning.tune_crf import CRFGrid, tune_crf

__all__ = ["CRFGrid", "Tuning", "evaluate", "tune", "tune_crf"]
