"""Outputs of other libraries that hold masks of objects, one file for each library."""

from crispseg.inference.objects.outputs.sharpen_objects import sharpen_objects

__all__ = ["sharpen_objects"]
