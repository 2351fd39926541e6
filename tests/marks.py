"""Marks for tests that cannot run on every machine."""

import sys

import pytest

needs_pydensecrf = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="pydensecrf2, the package of the dense CRF, does not build on Python 3.13"
)

# Compilers and interpreters written in Python take twice as long under coverage. Other tests cover the same lines of
# our code without them.
not_traced = pytest.mark.not_traced
