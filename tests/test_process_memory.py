"""Memory that is kept for what comes next."""

import subprocess
import sys
from pathlib import Path

import pytest

from crispseg.process_memory import is_counted, mapped_blocks

REPEAT = """\
import resource, sys
import torch
from crispseg.process_memory import keep_freed
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


MIXED = """\
import sys
from pathlib import Path
import numpy as np
import torch
from PIL import Image
from crispseg import Sharpener
from crispseg.jobs import Outputs, ThisMachine, sharpen_files
from crispseg.process_memory import keep_freed, resident_bytes
root = Path(sys.argv[1])
rng = np.random.default_rng(0)
for folder in ("images", "scores"):
    (root / folder).mkdir()
for index in range(250):
    height, width = rng.integers(60, 261, 2)
    Image.new("RGB", (int(width), int(height)), (index, 0, 0)).save(root / "images" / f"{index:03}.png")
    np.save(root / "scores" / f"{index:03}.npy", rng.normal(size=(11, height // 4, width // 4)).astype(np.float32))
torch.set_num_threads(1)
keep_freed()
sharpener, outputs = Sharpener.from_pretrained(passes=2), Outputs(root / "out", pictures=False)
held = []
sharpen_files(
    [root / "images"], root / "scores", outputs, sharpener, runner=ThisMachine(0),
    on_outcome=lambda outcome: held.append(resident_bytes()),
)
print((held[-1] - held[1]) // 2**20)
"""


@pytest.mark.skipif(not is_counted(), reason="this system does not tell the memory of a process")
def test_memory_over_images_of_many_sizes_is_flat(tmp_path: Path) -> None:
    """Where nothing settles it grows by more than a MiB an image: 412 MiB over 400 of them."""
    command = [sys.executable, "-c", MIXED, str(tmp_path)]
    grown = int(subprocess.run(command, check=True, capture_output=True).stdout)
    assert grown < 170
