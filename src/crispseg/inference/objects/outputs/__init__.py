"""Outputs of other libraries that hold masks of objects, one file for each library."""

from crispseg.inference.objects.outputs.any_output import sharpen_objects

__all__ = ["sharpen_objects"]
