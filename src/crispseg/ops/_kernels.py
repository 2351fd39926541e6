"""The CPU kernels, for the widest vectors that this processor has."""

import functools

from crispseg._C import Kernels, levels

LEVEL = levels()[0]


@functools.cache
def kernels() -> Kernels:
    """Return the kernels, made once."""
    return Kernels(LEVEL)
