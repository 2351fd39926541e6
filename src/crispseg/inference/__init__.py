"""Sharpening: the module, and what runs it over files."""

from crispseg.inference.boundaries import evaluate_boundaries
from crispseg.inference.evaluate import evaluate
from crispseg.inference.sharpen import sharpen
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.tune import Tuning, tune

__all__ = ["Sharpener", "Tuning", "evaluate", "evaluate_boundaries", "sharpen", "tune"]
