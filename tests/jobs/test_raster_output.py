"""The file of a raster has the same bytes whatever memory it was made with, and one run alone writes it."""

from pathlib import Path

import numpy as np
import pytest

from crispseg import InputError, Sharpener
from crispseg.cues import RGBCue
from crispseg.inference import tiles
from crispseg.jobs.rasters import sharpen_raster
from crispseg.single_writer import only_writer
from tests.jobs.test_sharpen_raster import write

SHARPENER = Sharpener(RGBCue(), window=3, passes=1, hardness=20.0)


def run(root: Path, output: str) -> bytes:
    sharpen_raster(root / "image.tif", root / "p.tif", root / output, SHARPENER, memory="8GiB")
    return (root / output).read_bytes()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An image of 3 × 3 blocks, with coarse labels."""
    rng = np.random.default_rng(0)
    write(tmp_path / "image.tif", rng.integers(0, 255, (3, 520, 600), np.uint8))
    write(tmp_path / "p.tif", rng.integers(0, 3, (1, 65, 75), np.uint8), 8)
    return tmp_path


def test_the_bytes_do_not_depend_on_the_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The blocks of the file lay in the order of the parts, whose size depends on the memory."""
    made = []
    for side in (256, 512, 1024):
        monkeypatch.setattr(tiles, "tile_side", lambda *_, side=side: side)
        made.append(run(root, f"{side}.tif"))
    assert made[0] == made[1] == made[2]


def test_another_run_with_the_same_output_is_refused(root: Path) -> None:
    """Both appended their parts to one file."""
    with only_writer(root / "out.tif", is_folder=False), pytest.raises(InputError, match="another run is writing"):
        run(root, "out.tif")
    run(root, "out.tif")
    assert not list(root.glob(".*"))
