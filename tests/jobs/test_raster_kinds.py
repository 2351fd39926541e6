"""Rasters of scores of one kind are not taken for another."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.enums import ColorInterp
from scipy.ndimage import gaussian_filter

from crispseg import InputError
from tests.jobs.test_raster_nodata import CUES, IMAGE, LABELS, PROBABILITIES, sharpened
from tests.jobs.test_sharpen_raster import write

pytestmark = pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")  # of photographs


@pytest.mark.parametrize("channels", [slice(0, 3), slice(2, 3)], ids=["classes", "one mask"])
def test_probabilities_are_not_taken_for_logits(channels: slice, tmp_path: Path) -> None:
    finer = 0.05 + 0.9 * PROBABILITIES[channels].repeat(2, 1).repeat(2, 2)
    image, soft = write(tmp_path / "image.tif", IMAGE), write(tmp_path / "p.tif", finer.astype(np.float32), 4)
    with pytest.raises(InputError, match=r"p\.tif: scores are declared as logits, .*\(--scores probabilities\)"):
        sharpened(tmp_path, CUES["rgb"], image, soft)
    assert sharpened(tmp_path, CUES["rgb"], image, soft, scores="probabilities").shape == IMAGE.shape[1:]


def test_a_class_that_is_tagged_alpha_is_not_taken_for_a_mask(tmp_path: Path) -> None:
    """By default GDAL tags the fourth band of uint8 so."""
    image = write(tmp_path / "image.tif", IMAGE)
    four = np.concatenate([PROBABILITIES, 0 * PROBABILITIES[:1]])[[0, 1, 3, 2]]
    for sure in (four, 0.1 + 0.6 * four):
        scores = write(tmp_path / "p.tif", np.rint(255 * sure).astype(np.uint8), 8)
        said: dict[str, Any] = {"scores": "probabilities", "scale": 255}
        with pytest.raises(InputError, match=r"p\.tif: band 4 is tagged alpha but looks like scores.*-colorinterp_4"):
            sharpened(tmp_path, CUES["rgb"], image, scores, **said)
        with rasterio.open(scores, "r+") as dataset:
            dataset.colorinterp = [*dataset.colorinterp[:3], ColorInterp.undefined]
        assert set(np.unique(sharpened(tmp_path, CUES["rgb"], image, scores, **said))) == {0, 1, 3}
    opaque = np.full_like(PROBABILITIES[:1], 1)
    opaque[:, :3] = 0
    masked = write(tmp_path / "p.tif", np.rint(255 * np.concatenate([PROBABILITIES, opaque])).astype(np.uint8), 8)
    assert set(np.unique(sharpened(tmp_path, CUES["rgb"], image, masked, **said))) == {-1, 0, 1, 2}


def test_the_greys_of_a_mask_are_not_taken_for_labels(tmp_path: Path) -> None:
    image, mask = write(tmp_path / "image.tif", IMAGE), (LABELS == 2).astype(np.float32)
    blurred = gaussian_filter(mask, 3)[None]
    for dtype, white in ((np.uint8, 255), (np.uint16, 65535)):
        soft = write(tmp_path / "soft.tif", np.rint(white * blurred / blurred.max()).astype(dtype))
        with pytest.raises(InputError, match=rf"soft\.tif: its \d+ numbers seem .* --scale {white}"):
            sharpened(tmp_path, CUES["rgb"], image, soft)
        found = sharpened(tmp_path, CUES["rgb"], image, soft, scores="probabilities", scale=white)
        assert set(np.unique(found)) == {0, 1}
    hard = write(tmp_path / "hard.tif", (255 * mask[None]).astype(np.uint8))
    assert set(np.unique(sharpened(tmp_path, CUES["rgb"], image, hard))) == {0, 255}
    with pytest.raises(InputError, match=r"hard\.tif: its 2 numbers seem .* --scale 255"):
        sharpened(tmp_path, CUES["rgb"], image, hard, scores="probabilities")
