"""Kernels for a GPU pass its compiler, also where there is none to run them."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.marks import not_traced

pytestmark = not_traced

ROOT = Path(__file__).parents[2]


def test_every_kernel_compiles_for_a_gpu(tmp_path: Path) -> None:
    pytest.importorskip("triton", reason="Triton is not installed")
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    run = subprocess.run(
        [sys.executable, "-m", "tests.ops.compiled"],
        cwd=ROOT,
        env=environment | {"TRITON_CACHE_DIR": str(tmp_path)},  # nothing from an earlier run
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    compiled = {line.partition(",")[0] for line in run.stdout.splitlines()}
    assert compiled == launched() > {"_packed_pass", "_upsample"}


def launched() -> set[str]:
    """Names of the kernels that the files of the operations launch."""
    files = [*(ROOT / "src" / "crispseg" / "ops").rglob("*triton*.py")]
    return {name for file in files for name in re.findall(r"launch\(\s*(_\w+),", file.read_text())}
