"""Sharpening: the module, and what runs it over files."""

from crispseg.inference.arrays import sharpen_array, sharpened_function
from crispseg.inference.boundaries import evaluate_boundaries
from crispseg.inference.crf import DenseCRF
from crispseg.inference.evaluate import evaluate
from crispseg.inference.model_outputs import semantic_probabilities
from crispseg.inference.outcome import Failed, Outcome, Skipped, Written
from crispseg.inference.outputs import Outputs
from crispseg.inference.predict import predict
from crispseg.inference.ray_cluster import RayCluster
from crispseg.inference.sharpen import sharpen
from crispseg.inference.sharpened_model import SharpenedModel
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.this_machine import ThisMachine
from crispseg.inference.tune import Tuning, tune
from crispseg.inference.tune_crf import CRFGrid, tune_crf

__all__ = [
    "CRFGrid",
    "DenseCRF",
    "Failed",
    "Outcome",
    "Outputs",
    "RayCluster",
    "SharpenedModel",
    "Sharpener",
    "Skipped",
    "ThisMachine",
    "Tuning",
    "Written",
    "evaluate",
    "evaluate_boundaries",
    "predict",
    "semantic_probabilities",
    "sharpen",
    "sharpen_array",
    "sharpened_function",
    "tune",
    "tune_crf",
]
