"""Annotations in bulk: read in every format, their outlines moved to the boundaries of images, written, reviewed."""
