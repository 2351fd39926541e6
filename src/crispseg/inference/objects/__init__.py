"""Masks of objects: read in any form, sharpened near their boundaries, and written back as they were."""

from crispseg.inference.objects.sharpening import Overlaps, sharpen_masks

__all__ = ["Overlaps", "sharpen_masks"]
