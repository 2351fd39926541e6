"""Importing the package is fast and pulls in nothing heavy."""

import subprocess
import sys

import pytest

HEAVY = (
    "lightning", "gradio", "ray", "matplotlib", "torchvision", "scipy", "jsonargparse", "tensorboard",
    "google.protobuf", "huggingface_hub", "onnx", "onnxruntime", "onnxscript",
)  # fmt: skip


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_nothing_heavy_is_imported() -> None:
    code = f"import crispseg, sys; print([name for name in {HEAVY} if name in sys.modules])"
    assert run(code) == "[]"


@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_the_guard_sees_what_is_imported(name: str) -> None:
    assert run(f"import crispseg, sys; print({name!r} in sys.modules)") == "True"


def test_importing_takes_less_than_a_fifth_of_what_torch_takes() -> None:
    """Of the processor's time, which grows for both where others keep it busy."""
    clock = "from time import process_time as now; start = now()"
    code = f"{clock}; import torch; between = now(); import crispseg; print((now() - between) / (between - start))"
    assert min(float(run(code)) for _ in range(3)) < 0.2
