"""Optional packages and the extras that install them."""

from collections.abc import Iterator
from contextlib import contextmanager

from crispseg.errors import InputError

EXTRAS = {
    "cv2": "peers",
    "defusedxml": "annotations",
    "google": "caffe",
    "huggingface_hub": "hub",
    "gradio": "app",
    "jsonargparse": "train",
    "kornia": "peers",
    "lightning": "train",
    "matplotlib": "figures",
    "onnx": "onnx",
    "onnx_ir": "onnx",
    "onnxruntime": "onnx",
    "onnxscript": "onnx",
    "pycocotools": "data",
    "pydensecrf": "crf",
    "pyogrio": "raster",
    "rankseg": "peers",
    "rasterio": "raster",
    "ray": "ray",
    "scipy": "data",
    "shapely": "annotations",
    "starlette": "app",
    "tensorboard": "train",
    "torchvision": "train",
}
"""The extra of crispseg that installs each top-level module."""


def how_to_install(module: str) -> str | None:
    """Return one line that says how to install a missing module, or None if it belongs to no extra."""
    # A missing submodule, such as pydensecrf.densecrf, means that its package is missing.
    extra = EXTRAS.get(module.partition(".")[0])
    return None if extra is None else f"No module named {module!r}; install it with: pip install 'crispseg[{extra}]'"


@contextmanager
def optional_packages() -> Iterator[None]:
    """Raise an input error that says what to install if an import in this context fails for a package of `EXTRAS`.

    Raises:
        InputError: If a package of an extra is not installed.

    Example:
        >>> with optional_packages():
        ...     raise ModuleNotFoundError("No module named 'rasterio'", name="rasterio")
        Traceback (most recent call last):
        crispseg.errors.InputError: No module named 'rasterio'; install it with: pip install 'crispseg[raster]'
    """
    try:
        yield
    except ModuleNotFoundError as error:
        remedy = how_to_install(error.name or "")
        if remedy is None:
            raise
        raise InputError(remedy) from error
