"""Marks for tests that cannot run on every machine."""

import sys

import pytest
import torch

needs_pydensecrf = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="pydensecrf2, the package of the dense CRF, does not build on Python 3.13"
)

needs_tracing = pytest.mark.skipif(
    torch.__version__ < "2.11", reason="crispseg supports torch.compile and torch.export from PyTorch 2.11"
)

# Compilers and interpreters written in Python take twice as long under coverage. Other tests cover the same lines of
# our code without them.
not_traced = pytest.mark.not_traced
