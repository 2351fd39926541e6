"""What a machine may lack, and why that is no fault."""

import sys

import pytest

needs_pydensecrf = pytest.mark.skipif(
    sys.version_info >= (3, 13), reason="pydensecrf2, the package of the dense CRF, does not build on Python 3.13"
)

# Compilers and interpreters written in Python take twice as long where every line is counted. Other tests run the same
# lines of ours without them.
not_traced = pytest.mark.not_traced
