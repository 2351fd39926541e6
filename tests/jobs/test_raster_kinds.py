"""Rasters of scores of one kind are not taken for another."""

from pathlib import Path

import numpy as np
import pytest

from crispseg import InputError
from tests.jobs.test_raster_nodata import CUES, IMAGE, PROBABILITIES, sharpened
from tests.jobs.test_sharpen_raster import write

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # of photographs


@pytest.mark.parametrize("channels", [slice(0, 3), slice(2, 3)], ids=["classes", "one mask"])
def test_probabilities_are_not_taken_for_logits(channels: slice, tmp_path: Path) -> None:
    finer = 0.05 + 0.9 * PROBABILITIES[channels].repeat(2, 1).repeat(2, 2)
    image, soft = write(tmp_path / "image.tif", IMAGE), write(tmp_path / "p.tif", finer.astype(np.float32), 4)
    with pytest.raises(InputError, match=r"p\.tif: scores are declared as logits, .*pass scores='probabilities'"):
        sharpened(tmp_path, CUES["rgb"], image, soft)
    assert sharpened(tmp_path, CUES["rgb"], image, soft, scores="probabilities").shape == IMAGE.shape[1:]
