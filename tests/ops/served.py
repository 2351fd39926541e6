"""Every implementation of the operations that can run here, and a way to have one serve."""

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from unittest import mock

import pytest
import torch

from crispseg.ops import implementations


class Server(NamedTuple):
    """One implementation: the file in each operation's folder, the vectors of its kernels, the device it runs on."""

    module: str
    level: str | None = None
    device: str = "cpu"

    @property
    def interpreted(self) -> bool:
        """Whether kernels for a GPU run on the processor."""
        return self.module == "triton" and self.device == "cpu"

    def __str__(self) -> str:
        return self.level or self.module


def _cpu_servers() -> Iterator[Server]:
    if implementations.serving("cpu").module == "cpu":
        for level in importlib.import_module("crispseg._C").levels():
            yield Server("cpu", level)


def _triton_servers() -> Iterator[Server]:
    """On a GPU where there is one; else the same kernels interpreted, which conftest.py asks Triton for."""
    if importlib.util.find_spec("triton"):
        yield Server("triton", device="cuda" if torch.cuda.is_available() else "cpu")


SERVERS = (Server("reference"), *_cpu_servers(), *_triton_servers())


@contextmanager
def served_by(server: Server) -> Iterator[None]:
    """Have one implementation serve all operators, whatever the device."""

    def find(function: str, device_type: str) -> Callable[..., Any]:
        folder = function.removesuffix("_backward")
        found: Callable[..., Any] = getattr(
            importlib.import_module(f"crispseg.ops._{folder}.{server.module}"), function
        )
        return found

    with mock.patch.object(implementations, "find", find):
        if server.level is None:
            yield
        else:
            kernels = importlib.import_module("crispseg._C").Kernels(server.level)
            with mock.patch("crispseg.ops._kernels.kernels", return_value=kernels):
                yield


@pytest.fixture(scope="module", params=SERVERS, ids=str)
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    """Each implementation in turn, serving."""
    with served_by(request.param):
        yield request.param
