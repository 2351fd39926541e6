"""The CPU kernels for the widest vectors of this processor."""

import functools

from crispseg._C import Kernels, levels

LEVEL = levels()[0]


@functools.cache
def kernels() -> Kernels:
    """Return the kernels, which are created once."""
    return Kernels(LEVEL)
