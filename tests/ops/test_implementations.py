"""Who serves what, and why."""

import shutil
import sys
from collections.abc import Iterator
from unittest import mock

import pytest
import torch

from crispseg import Window, ops
from crispseg.ops import implementations


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Have the choice made anew, and again after the test."""
    for _ in "before", "after":
        implementations.serving.cache_clear()
        implementations.find.cache_clear()
        if _ == "before":
            yield


@pytest.mark.usefixtures("forgotten")
def test_without_compiled_kernels_the_reference_serves_and_says_why() -> None:
    with mock.patch.dict(sys.modules, {"crispseg._C": None}):
        sys.modules.pop("crispseg.ops._kernels", None)
        description = implementations.describe("local_filter", "cpu")
        assert description.startswith("reference in plain PyTorch: the C++ kernels were not built")
        result = ops.local_filter(torch.ones(1, 1, 3, 3), torch.ones(1, 9, 3, 3), Window(3))
        assert result.unique().tolist() == [1.0]
        assert implementations.find("local_filter", "cpu").__module__ == "crispseg.ops._local_filter.reference"


@pytest.mark.usefixtures("forgotten")
def test_a_gpu_is_served_by_triton_where_it_is_installed() -> None:
    with mock.patch("importlib.util.find_spec", return_value=None):
        assert "Triton is not installed" in implementations.describe("local_distance", "cuda")
    implementations.serving.cache_clear()
    with mock.patch("importlib.util.find_spec", return_value=object()):
        assert implementations.describe("local_distance", "cuda") == "Triton kernels"


def test_other_devices_are_served_by_the_reference() -> None:
    assert "there are no kernels for this device" in implementations.describe("local_parity", "mps")
    assert implementations.describe("affinity", "mps") == "plain PyTorch, one expression"


def test_kernels_are_built_where_there_is_a_compiler() -> None:
    """A kernel that does not compile must not pass by the references serving; `make test-reference` leaves this out."""
    if any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        assert implementations.serving("cpu").module == "cpu"
