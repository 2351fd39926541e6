"""crispseg: any segmentation network's output, made crisp at object boundaries by learned pixel embeddings."""

from crispseg.errors import InputError
from crispseg.inference.sharpener import Sharpener
from crispseg.window import Window

__all__ = ["InputError", "Sharpener", "Window", "__version__"]

__version__ = "0.1.0"
