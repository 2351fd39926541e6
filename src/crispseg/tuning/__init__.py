"""Search for the options that give the largest gain on labelled images."""

from crispseg.tuning.crf_search import CRFGrid, tune_crf
from crispseg.tuning.filter_search import tune
from crispseg.tuning.result import Tuning

__all__ = ["CRFGrid", "Tuning", "tune", "tune_crf"]
