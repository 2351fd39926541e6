"""Who serves what, and why."""

import importlib.abc
import shutil
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

import crispseg
from crispseg import Window, ops
from crispseg.errors import SlowerWarning
from crispseg.ops import implementations


@pytest.fixture
def forgotten() -> Iterator[None]:
    """Have the choice made anew, and again after the test."""
    for _ in "before", "after":
        for cached in implementations.serving, implementations.find, implementations._warn_once:
            cached.cache_clear()
        if _ == "before":
            yield


class Failing(importlib.abc.MetaPathFinder):
    """An installation in which a module cannot be imported."""

    def __init__(self, module: str, error: Exception) -> None:
        self.module, self.error = module, error

    def find_spec(self, name: str, *_: object) -> None:
        if name == self.module:
            raise self.error


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch, forgotten: None) -> Callable[[str, Exception], None]:
    """Return a function that lets the import of a module fail until the test ends."""

    def breaks(module: str, error: Exception) -> None:
        monkeypatch.setattr(sys, "meta_path", [Failing(module, error), *sys.meta_path])
        for name in module, "crispseg.ops._kernels":
            monkeypatch.delitem(sys.modules, name, raising=False)

    return breaks


NOT_BUILT = ModuleNotFoundError("No module named 'crispseg._C'", name="crispseg._C")
OLD_GLIBC = ImportError("/lib/libc.so.6: version `GLIBC_2.38' not found (required by _C.abi3.so)")


def use_two_operations() -> torch.Tensor:
    ops.local_parity(torch.zeros(1, 3, 3, dtype=torch.int64), Window(3))
    return ops.local_filter(torch.ones(1, 1, 3, 3), torch.ones(1, 9, 3, 3), Window(3))


@pytest.mark.parametrize(
    ("error", "reason"),
    [(NOT_BUILT, "the C++ kernels were not built"), (OLD_GLIBC, "cannot be loaded on this machine (/lib/libc.so.6")],
)
def test_without_kernels_the_reference_serves_and_says_so_once(
    broken: Callable[[str, Exception], None], error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken("crispseg._C", error)
    with monkeypatch.context() as patched:
        patched.setattr(crispseg, "__path__", [])  # as if no kernels lay there
        assert reason in implementations.describe("local_filter", "cpu")
    with pytest.warns(SlowerWarning) as warned:
        result = use_two_operations()
    assert result.unique().tolist() == [1.0]
    (message,) = (str(warning.message) for warning in warned)
    assert "\n" not in message
    assert reason in message
    assert "install GCC or Clang" in message
    assert "--no-binary crispseg" in message
    assert implementations.find("local_filter", "cpu").__module__ == "crispseg.ops._local_filter.reference"


def test_kernels_of_another_processor_are_named(
    broken: Callable[[str, Exception], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "_C.cpython-312-aarch64-linux-gnu.so").touch()
    monkeypatch.setattr(crispseg, "__path__", [*crispseg.__path__, str(tmp_path)])
    broken("crispseg._C", NOT_BUILT)
    described = implementations.describe("local_filter", "cpu")
    assert "built for another Python or processor" in described
    assert "_C.cpython-312-aarch64-linux-gnu.so" in described


@pytest.mark.parametrize(
    ("error", "reason", "remedy"),
    [
        (ModuleNotFoundError("No module named 'triton'", name="triton"), "Triton is not installed", "install triton"),
        (OSError("libcuda.so.1: cannot open"), "OSError: libcuda.so.1", "--force-reinstall torch"),
    ],
)
def test_a_gpu_without_triton_is_served_by_the_reference_and_says_so(
    broken: Callable[[str, Exception], None], error: Exception, reason: str, remedy: str
) -> None:
    broken("triton", error)
    assert reason in implementations.describe("local_distance", "cuda")
    with pytest.warns(SlowerWarning, match=f"on the GPU.*{reason}.*{remedy}"):
        implementations.find("local_distance", "cuda")


@pytest.mark.usefixtures("forgotten")
def test_a_gpu_is_served_by_triton_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "triton", types.ModuleType("triton"))
    assert implementations.describe("local_distance", "cuda") == "Triton kernels"


def test_other_devices_are_served_by_the_reference() -> None:
    assert "there are no kernels for this device" in implementations.describe("local_parity", "mps")
    assert implementations.describe("affinity", "mps") == "plain PyTorch, one expression"


def test_kernels_are_built_where_there_is_a_compiler() -> None:
    """A kernel that does not compile must not pass by the references serving; `make test-reference` leaves this out."""
    if any(shutil.which(name) for name in ("c++", "g++", "clang++")):
        assert implementations.serving("cpu").module == "cpu"
