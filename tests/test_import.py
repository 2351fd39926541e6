"""Importing the package pulls in nothing but what it declares."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HEAVY = (
    "lightning", "gradio", "ray", "matplotlib", "torchvision", "scipy", "jsonargparse", "tensorboard",
    "google.protobuf", "huggingface_hub", "onnx", "onnxruntime", "onnxscript", "torchmetrics",
)  # fmt: skip


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip()


def test_nothing_heavy_is_imported() -> None:
    """NumPy and PyTorch are: the guard sees what is imported."""
    names = ("numpy", "torch", *HEAVY)
    code = f"import crispseg, sys; crispseg.Sharpener; print(*[name for name in {names} if name in sys.modules])"
    assert run(code) == "numpy torch"


def test_importing_adds_only_a_few_packages_to_those_of_torch() -> None:
    """Import only these other packages, and no command: slow ones are imported when they are needed."""
    names = "{name for name in sys.modules if '.' not in name or name.startswith('crispseg.')}"
    used = "import crispseg; crispseg.Sharpener"
    code = f"import sys, torch, numpy; before = {names}; {used}; print(*sorted({names} - before))"
    added = set(run(code).split()) - sys.stdlib_module_names
    ours = {name for name in added if name.startswith("crispseg")}
    assert {name for name in added - ours if not name.startswith("_")} <= {
        "PIL",
        "defusedxml",
        "safetensors",
        "rich",
    }, "defusedxml is imported by Pillow where it is installed"
    assert not {name for name in ours if name.split(".")[1:2] in (["cli"], ["app"], ["training"], ["figures"])}


@pytest.fixture
def _interrupts_are_heard() -> Iterator[None]:
    """Also where a shell started the tests in the background, and had them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


SLOW = """\
import time
open(PATH, "w").close()
try:
    time.sleep(60)
except BaseException as error:  # as some do
    raise ImportError("cannot be imported") from error
"""


@pytest.mark.skipif(os.name != "posix", reason="Windows does not send Ctrl-C as a signal")
@pytest.mark.parametrize("module", ["torch", "rich"])
@pytest.mark.usefixtures("_interrupts_are_heard")
def test_an_interrupt_while_the_command_imports_is_a_line(tmp_path: Path, module: str) -> None:
    (tmp_path / f"{module}.py").write_text(SLOW.replace("PATH", repr(str(tmp_path / "begun"))))
    script = tmp_path / "crispseg"
    script.write_text(f"#!{sys.executable}\nfrom crispseg.cli.main import entry_point\nentry_point()\n")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    for command in ([sys.executable, str(script)], [sys.executable, "-m", "crispseg"]):
        (tmp_path / "begun").unlink(missing_ok=True)
        with subprocess.Popen(
            [*command, "sharpen", "a.png", "--predictions", "b.png", "--output", str(tmp_path / "out")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            for _ in range(600):
                if (tmp_path / "begun").exists():
                    break
                time.sleep(0.1)
            process.send_signal(signal.SIGINT)
            said, error = process.communicate()
        assert (process.returncode, said, error) == (130, "", "crispseg: interrupted\n")
