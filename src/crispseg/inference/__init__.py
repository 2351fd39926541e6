"""Sharpening one image: the module, arrays, tiles, a network behind it; a CRF; what it gains, and which options."""

from crispseg.inference.arrays import sharpen_array, sharpened_function
from crispseg.inference.boundaries import evaluate_boundaries
from crispseg.inference.crf import DenseCRF
from crispseg.inference.evaluate import evaluate
from crispseg.inference.model_outputs import semantic_probabilities
from crispseg.inference.predict import predict
from crispseg.inference.sharpened_model import SharpenedModel
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.tune import Tuning, tune
from crispseg.inference.tune_crf import CRFGrid, tune_crf

__all__ = [
    "CRFGrid",
    "DenseCRF",
    "SharpenedModel",
    "Sharpener",
    "Tuning",
    "evaluate",
    "evaluate_boundaries",
    "predict",
    "semantic_probabilities",
    "sharpen_array",
    "sharpened_function",
    "tune",
    "tune_crf",
]
