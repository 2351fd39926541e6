"""Sharpen one image: as a module, on arrays, in tiles, after a network, or before a dense CRF."""

from crispseg.inference.arrays import sharpen_array
from crispseg.inference.crf import DenseCRF
from crispseg.inference.crisp_nets import to_crisp_net, to_sharpener
from crispseg.inference.model_outputs import semantic_probabilities
from crispseg.inference.objects import MASK_OPTIONS, sharpen_masks, sharpen_objects, unpasted_masks
from crispseg.inference.one_image import Sharpened, fitted_boundary, sharpen_one
from crispseg.inference.sharpened_model import SharpenedModel
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.steady import SteadySharpener

__all__ = [
    "MASK_OPTIONS",
    "DenseCRF",
    "Sharpened",
    "SharpenedModel",
    "Sharpener",
    "SteadySharpener",
    "fitted_boundary",
    "semantic_probabilities",
    "sharpen_array",
    "sharpen_masks",
    "sharpen_objects",
    "sharpen_one",
    "to_crisp_net",
    "to_sharpener",
    "unpasted_masks",
]
