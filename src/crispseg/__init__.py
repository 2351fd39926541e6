"""crispseg: any segmentation network's output, made crisp at object boundaries by learned pixel embeddings."""

from contextlib import nullcontext

from crispseg.interrupts import is_command, leaving_at_once

with leaving_at_once() if is_command() else nullcontext():  # PyTorch takes a second or more
    from crispseg.errors import InputError
    from crispseg.grid import Grid
    from crispseg.inference.arrays import sharpen_array
    from crispseg.inference.sharpened_model import SharpenedModel
    from crispseg.inference.sharpener import Sharpener
    from crispseg.window import Window

__all__ = ["Grid", "InputError", "SharpenedModel", "Sharpener", "Window", "__version__", "sharpen_array"]

__version__ = "0.1.0"
