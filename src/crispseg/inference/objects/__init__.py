"""Masks of objects: read in any form, and sharpened near their boundaries."""

from crispseg.inference.objects.outputs import sharpen_objects
from crispseg.inference.objects.outputs.torchvision_detections import unpasted_masks
from crispseg.inference.objects.sharpening import MASK_OPTIONS, MaskOptions, Overlaps, sharpen_masks

__all__ = ["MASK_OPTIONS", "MaskOptions", "Overlaps", "sharpen_masks", "sharpen_objects", "unpasted_masks"]
