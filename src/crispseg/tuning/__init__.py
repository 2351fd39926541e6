"""Search for the options that give the largest gain on labelled images."""

from crispseg.tuning.crf_search import CRFGrid, tune_crf
from crispseg.tuning.filter_search import Tuning, tune

__all__ = ["CRFGrid", "Tuning", "tune", "tune_crf"]
