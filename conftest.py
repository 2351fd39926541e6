"""Configuration of all tests and of the examples in docstrings."""

import gc
import importlib.util
import os
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch

from tests.needs import PACKAGES, needs_of_example, needs_of_file, needs_of_test

if TYPE_CHECKING:
    from playwright.sync_api import Browser

WITHOUT_KERNELS = "crispseg runs in plain PyTorch on the CPU"
"""The warning at first use where the kernels are not built, which the tests then pass without."""

# Without a GPU, Triton kernels run interpreted. Triton reads this variable when a kernel is defined.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

# Split the cores between parallel workers, so that their threads do not wait for each other.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    threads = max(1, (os.cpu_count() or 1) // workers)
    torch.set_num_threads(threads)
    os.environ.setdefault("OMP_NUM_THREADS", str(threads))  # of the processes that tests start

# What is imported and collected stays until the end, so the garbage collector need not go through it again and again.
gc.disable()

# Skip the examples of modules that cannot be imported on this machine.
collect_ignore_glob = []
if importlib.util.find_spec("crispseg._C") is None:
    collect_ignore_glob += ["src/crispseg/ops/_kernels.py", "src/crispseg/ops/*/cpu.py"]
    os.environ["PYTHONWARNINGS"] = f"ignore:{WITHOUT_KERNELS}"  # of the processes that tests start
if importlib.util.find_spec("triton") is None:
    collect_ignore_glob += ["src/crispseg/ops/_triton.py", "src/crispseg/ops/*/triton*.py", "tests/ops/compiled.py"]

LEFT_OUT = (*PACKAGES, "not_traced", "processes", "slow")
"""Marks of tests that `--quick` leaves out."""
LARGE = {package for packages in PACKAGES.values() for package in packages} - {"triton"}  # PyTorch imports Triton


def pytest_configure(config: pytest.Config) -> None:
    """Let a build without the kernels say so."""
    if importlib.util.find_spec("crispseg._C") is None:
        config.addinivalue_line("filterwarnings", f"ignore:{WITHOUT_KERNELS}")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--quick`."""
    parser.addoption("--quick", action="store_true", help="only tests without these marks: " + ", ".join(LEFT_OUT))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Skip the import of test files, and of the conftest.py of folders, in which `--quick` leaves out every test."""
    path = collection_path / "conftest.py" if collection_path.is_dir() else collection_path
    if not config.getoption("quick") or path.suffix != ".py" or not path.is_file():
        return None
    return True if needs_of_file(path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test with its needs, where marks are asked for; with `--quick`, leave out every test that has any."""
    if not config.getoption("quick") and not config.option.markexpr:
        return  # it takes seconds
    for item in items:
        marks = needs_of_file(item.path)
        if isinstance(item, pytest.Function):
            marks |= needs_of_test(
                item.path, item.originalname, repr(item.callspec.params) if hasattr(item, "callspec") else ""
            )
            # Triton implementations of operations, which are interpreted without a GPU.
            marks |= {"triton"} if "triton" in item.name else set()
        elif isinstance(item, pytest.DoctestItem):
            marks |= needs_of_example(item.path, [example.source for example in item.dtest.examples])
        for mark in sorted(marks):
            item.add_marker(mark)
    if config.getoption("quick"):
        out = [item for item in items if any(item.get_closest_marker(mark) for mark in LEFT_OUT)]
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in set(out)]


def pytest_collection_finish() -> None:
    """Leave to the garbage collector only what the tests make."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True)
def _imports_nothing_large(request: pytest.FixtureRequest) -> Generator[None]:
    """Fail a quick test that imports a large package without the mark for it."""
    before = LARGE & sys.modules.keys()
    yield
    if request.config.getoption("quick"):
        more = sorted(LARGE & sys.modules.keys() - before)
        assert not more, f"imports {', '.join(more)}, which tests/needs.py does not see; mark the test by hand"


# Not for the session: while playwright is open, its event loop runs in this thread, where no other can.
@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """Start the system's Chromium, which `make browser` installs, for the tests of one file."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - large

    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert found, "no Chromium here; `make browser` installs it on Debian and Ubuntu"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def no_memory_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the peaks of memory of a table: the process that measures them takes seconds to start."""
    monkeypatch.setattr("crispseg.comparison.memory.Memory.peak", lambda *_: None)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Run tests marked `not_traced` without coverage; pytest-cov's own mark has no effect in parallel runs."""
    if item.get_closest_marker("not_traced") is None:
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
