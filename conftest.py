"""What holds for all tests, and for the examples in docstrings."""

import importlib.util
import os
import sys
from collections.abc import Generator

import pytest
import torch

# Without a GPU the Triton kernels run interpreted. Triton reads this when a kernel is defined.
if not torch.cuda.is_available():
    os.environ["TRITON_INTERPRET"] = "1"

# Where tests run side by side, threads of one would wait for those of another.
if workers := int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "0")):
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // workers))

# What cannot be imported on this machine has no examples to run.
collect_ignore_glob = []
if importlib.util.find_spec("crispseg._C") is None:
    collect_ignore_glob += ["src/crispseg/ops/_kernels.py", "src/crispseg/ops/*/cpu.py"]
if importlib.util.find_spec("triton") is None:
    collect_ignore_glob += ["src/crispseg/ops/_triton.py", "src/crispseg/ops/*/triton*.py", "tests/ops/compiled.py"]


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Without coverage where `not_traced` says so; the mark of pytest-cov does nothing for tests side by side."""
    if item.get_closest_marker("not_traced") is None:
        return (yield)
    tracer = sys.gettrace()
    sys.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(tracer)
