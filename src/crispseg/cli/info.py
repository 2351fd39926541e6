"""`crispseg info`."""

import platform
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import torch
from safetensors import safe_open

from crispseg import ops
from crispseg.compatibility import best_device
from crispseg.config import SHIPPED_PASSES
from crispseg.config_values import LADDER_PASSES
from crispseg.cues import Cue
from crispseg.errors import InputError, one_line
from crispseg.export import native_include, native_library
from crispseg.ops.implementations import describe
from crispseg.options import as_text
from crispseg.pretrained import SHIPPED_WEIGHTS, weights_path
from crispseg.registry import CUES
from crispseg.versions import __version__, installed_versions

_PACKAGES = ("torch", "torchvision", "safetensors", "numpy", "pillow", "lightning", "jsonargparse")


def run(_: Namespace) -> None:
    """Run the command."""
    sections = {
        "versions": _versions(),
        "devices": _devices(),
        **_operations(),
        "library for C and onnxruntime": _library(),
        "cues": _cues(),
        "weights": _weights(),
    }
    for title, rows in sections.items():
        print(title)
        width = max(map(len, rows))
        for name, value in rows.items():
            print(f"  {name:<{width}}  {value}")


def _versions() -> dict[str, str]:
    versions = {"crispseg": __version__, "python": platform.python_version()}
    return versions | installed_versions(_PACKAGES)


def _devices() -> dict[str, str]:
    devices = {"cpu": f"{platform.machine()}, {torch.get_num_threads()} threads"}
    best = best_device()
    if best.type == "cpu":
        devices["gpu"] = "none found"
    elif best.type == "cuda":
        devices |= {f"cuda:{i}": torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
    else:
        devices[best.type] = "available"
    return devices


def _operations() -> dict[str, dict[str, str]]:
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return {f"operations on {device}": {name: describe(name, device) for name in ops.__all__} for device in devices}


def _library() -> dict[str, str]:
    try:
        return {"library": str(native_library()), "header": str(native_include() / "crispseg.h")}
    except InputError as error:
        return {"none": one_line(error)}


def _cues() -> dict[str, str]:
    """Return what each cue compares, by its name; of one that cannot be imported, why not."""
    described = {}
    for name in CUES:
        try:
            described[name] = _describe_cue(CUES.named(name))
        except InputError as error:
            described[name] = one_line(error)
    return described


def _describe_cue(kind: type[Cue]) -> str:
    passes = LADDER_PASSES if "," in kind.default_window else kind.default_passes
    defaults = f"default window {kind.default_window}, passes {passes}, hardness {as_text(kind.default_hardness)}"
    arguments = ", ".join(f"{name} {_allowed(values)}" for name, values in kind.arguments.items())
    needs = f"needs {' and '.join(kind.needs)}" if kind.needs else ""
    return "; ".join(part for part in (kind.summary, arguments, needs, defaults) if part)


def _allowed(values: Sequence[Any] | type) -> str:
    """Return the values that an argument of a cue may have."""
    if isinstance(values, type):
        return f"({values.__name__})"
    if isinstance(values, range):
        return f"{values[0]} to {values[-1]}"
    return " or ".join(map(str, values))


def _weights() -> dict[str, str]:
    paths = [weights_path(name) for name in SHIPPED_WEIGHTS]
    described = {}
    for path in paths:
        with safe_open(path, framework="pt") as file:
            network = file.metadata()["network"]
        described[path.stem] = f"{path.stat().st_size / 1e6:.1f} MB, {network}{_own_defaults(path.stem)}"
    return described | {"folder": str(paths[0].parent)}


def _own_defaults(weights: str) -> str:
    """Return the passes and the hardness of weights where they differ from those of the cue, or nothing."""
    if weights not in SHIPPED_PASSES:
        return ""
    passes, hardness = SHIPPED_PASSES[weights]
    return f", default passes {as_text(passes)}, hardness {as_text(hardness)}"
