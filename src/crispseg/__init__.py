"""crispseg: make any segmentation network's output crisp at object boundaries, with learned pixel embeddings."""

import importlib
from contextlib import nullcontext
from typing import TYPE_CHECKING

from crispseg.interrupts import is_command, leaving_at_once
from crispseg.versions import __version__

if TYPE_CHECKING:
    from crispseg.config import SharpenerConfig
    from crispseg.cue_config import CueConfig
    from crispseg.errors import InputError
    from crispseg.grid import Grid
    from crispseg.inference.arrays import sharpen_array
    from crispseg.inference.objects import sharpen_masks, sharpen_objects
    from crispseg.inference.sharpened_model import SharpenedModel
    from crispseg.inference.sharpener import Sharpener
    from crispseg.inference.steady import SteadySharpener
    from crispseg.window import Window

__all__ = [
    "CueConfig",
    "Grid",
    "InputError",
    "SharpenedModel",
    "Sharpener",
    "SharpenerConfig",
    "SteadySharpener",
    "Window",
    "__version__",
    "sharpen_array",
    "sharpen_masks",
    "sharpen_objects",
]

_MODULES = {
    "CueConfig": "cue_config",
    "Grid": "grid",
    "InputError": "errors",
    "SharpenedModel": "inference.sharpened_model",
    "Sharpener": "inference.sharpener",
    "SharpenerConfig": "config",
    "SteadySharpener": "inference.steady",
    "Window": "window",
    "sharpen_array": "inference.arrays",
    "sharpen_masks": "inference.objects",
    "sharpen_objects": "inference.objects",
}
"""The module of each public name, imported on first use so that `crispseg --help` does not wait for PyTorch."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with leaving_at_once() if is_command() else nullcontext():
        value = getattr(importlib.import_module(f"crispseg.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
