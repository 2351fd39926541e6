"""A C program calls the kernels by their header, gets the bits that Python gets, and is told what it did wrong."""

import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import crispseg
from crispseg import InputError, Window, ops
from crispseg.export import native_include, native_library
from crispseg.grid import CENTRES
from crispseg.ops.interpolation import at_scores

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("crispseg._C") is None, reason="the C++ kernels were not built"),
    pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler"),
]

ROOT = Path(__file__).parents[2]
TYPES = {torch.float64: 0, torch.float32: 1, torch.float16: 2, torch.bfloat16: 3}
"""The values of `crispseg_type`."""

WINDOW = Window(3, 2)


def compiled(source: Path, folder: Path) -> Path:
    library = native_library()
    flags = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", f"-I{native_include()}"]
    linked = [f"-L{library.parent}", "-lcrispseg", f"-Wl,-rpath,{library.parent}", "-lm"]
    subprocess.run(["cc", *flags, str(source), *linked, "-o", str(folder / "program")], check=True)
    return folder / "program"


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(Path(__file__).with_name("operations.c"), tmp_path_factory.mktemp("c"))


def inputs(dtype: torch.dtype) -> list[Tensor]:
    """Return embedding, scores, scores after a filter, boundary, a coarse map and embedding."""
    generator = torch.Generator().manual_seed(0)
    shapes = [(3, 7, 11), (5, 7, 11), (5, 7, 11), (1, 7, 11), (5, 3, 4)]
    made = [torch.rand(2, *shape, generator=generator).to(dtype) for shape in shapes]
    return [*made, at_scores(made[0].float(), (3, 4), CENTRES)]


def expected(embedding: Tensor, scores: Tensor, after: Tensor, boundary: Tensor, coarse: Tensor) -> Iterator[Tensor]:
    yield ops.local_distance(embedding, WINDOW, norm=2, stride=2)
    weights = ops.affinity_weights(embedding, WINDOW, 1.5, scores=scores, score_weight=0.5)
    yield weights
    yield ops.local_filter(scores, weights, WINDOW, passes=3)
    yield ops.affinity_filter(scores, embedding, WINDOW, 1.5, norm=2, passes=3)
    yield ops.rebalance(scores, after, 0.3, [5, 2], keep_thin=0.4)
    if embedding.dtype == torch.float32:
        yield ops.local_contour(boundary, WINDOW)
        yield ops.joint_upsample(coarse, embedding, 1.5)


def in_memory(tensors: Iterator[Tensor]) -> bytes:
    return b"".join(bytes(tensor.contiguous().view(torch.uint8).numpy()) for tensor in tensors)


@pytest.mark.parametrize("dtype", TYPES, ids=str)
def test_the_same_bits(dtype: torch.dtype, program: Path, tmp_path: Path) -> None:
    given = inputs(dtype)
    (tmp_path / "input").write_bytes(in_memory(iter(given)))
    subprocess.run([program, str(TYPES[dtype]), tmp_path / "input", tmp_path / "output"], check=True)
    assert (tmp_path / "output").read_bytes() == in_memory(expected(*given[:5]))


def test_wrong_arguments_give_a_status_and_a_message(program: Path) -> None:
    *said, version = subprocess.run([program], check=True, capture_output=True, text=True).stdout.splitlines()
    facts = (
        "embedding is NULL",
        "window size is not an odd number",
        "norm is not 1 or 2",
        "threads is -1; expected 0",
        "distance has 3 elements along dimension 1; expected 9",
        "hardness is not a finite number above 0",
        "score_weight is not a finite number of 0 or above",
        "passes is below 1",
        "embedding has the type 9; expected one of crispseg_type",
        "embedding has elements, but its data are NULL",
        "embedding has -7 elements along dimension 2; expected 0 or more",
        "distance has elements that share memory",
    )
    assert len(said) == len(facts)
    for line, fact in zip(said, facts, strict=True):
        assert line.startswith("1 ")  # CRISPSEG_INVALID_ARGUMENT
        assert fact in line
    assert version == crispseg.__version__


def test_the_program_of_the_guide(tmp_path: Path) -> None:
    (source,) = re.findall(r"```c\n(.*?)```", (ROOT / "docs/how-to/c.md").read_text(), re.DOTALL)
    (tmp_path / "guide.c").write_text(source)
    said = subprocess.run([compiled(tmp_path / "guide.c", tmp_path)], check=True, capture_output=True, text=True).stdout
    assert said == "1.50 1.50 6.00\n"


def test_without_the_kernels_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"crispseg was installed without its compiled kernels; install it with a C"):
        native_library()
