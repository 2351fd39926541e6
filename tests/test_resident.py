"""Memory that is kept for what comes next."""

import subprocess
import sys

import pytest

from crispseg.resident import mapped_blocks

REPEAT = """\
import resource, sys
import torch
from crispseg.resident import keep_freed
if sys.argv[1] == "kept":
    keep_freed()
for count in range(12):
    if count == 2:
        start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [torch.zeros(30 * 2**18) for _ in range(3)]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only the allocator of Linux is told to keep what is freed")
def test_freed_blocks_are_used_again() -> None:
    def faults(how: str) -> int:
        with mapped_blocks():  # without which the allocator keeps some by itself, now these, now those
            return int(subprocess.run([sys.executable, "-c", REPEAT, how], check=True, capture_output=True).stdout)

    returned = faults("returned")
    assert returned > 100_000, "or there would be nothing to gain"
    assert faults("kept") < returned / 4  # a block may find its place taken once, and be new then
