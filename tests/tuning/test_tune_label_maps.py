"""A search on label maps measures what `evaluate` measures on them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crispseg import Sharpener
from crispseg.cues import RGBCue
from crispseg.data import LabelledFolder, LabelledPredictions
from crispseg.evaluation import evaluate
from crispseg.tuning import tune

CELL = 4


def test_thin_parts_count_by_the_cells_of_the_label_map(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("images", "labels", "predictions"):
        (tmp_path / folder).mkdir()
    coarse = np.zeros((16, 24), np.uint8)
    coarse[:, 6:8] = coarse[7:9] = 1  # eight pixels wide: thin in cells alone
    labels = np.roll(coarse.repeat(CELL, 0).repeat(CELL, 1), 2, 1)
    image = 128 + 4 * labels[..., None] + rng.normal(0, 3, (*labels.shape, 3))
    Image.fromarray(image.round().astype(np.uint8)).save(tmp_path / "images" / "scene.png")
    Image.fromarray(labels).save(tmp_path / "labels" / "scene.png")
    Image.fromarray(coarse).save(tmp_path / "predictions" / "scene.png")
    dataset = LabelledFolder(tmp_path / "images", tmp_path / "labels")
    data = LabelledPredictions(dataset, tmp_path / "predictions", num_classes=2)
    sharpener = Sharpener(RGBCue(), window="5@4,5", passes=4, hardness=2.0)
    search: dict[str, list[Any]] = {"window": ["5@4,5"], "passes": [4], "hardness": [2.0], "score_weight": ["auto"]}
    (found,) = tune(data, sharpener, search).after.values()
    measured = evaluate(data, sharpener).after
    for metric in ("miou", "trimap_4"):
        assert found.value(metric) == pytest.approx(measured.value(metric), abs=0.05)
