"""A search on label maps measures what `evaluate` measures on them."""

import numpy as np
import pytest
from PIL import Image

from crispseg import Sharpener
from crispseg.cues import RGBCue
from crispseg.data import LabelledFolder, LabelledPredictions
from crispseg.evaluation import evaluate
from crispseg.tuning import tune

CELL = 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> LabelledPredictions:
    root = tmp_path_factory.mktemp("scene")
    rng = np.random.default_rng(0)
    for folder in ("images", "labels", "predictions"):
        (root / folder).mkdir()
    coarse = np.zeros((16, 24), np.uint8)
    coarse[:, 6:8] = coarse[7:9] = 1  # eight pixels wide: thin in cells alone
    labels = np.roll(coarse.repeat(CELL, 0).repeat(CELL, 1), 2, 1)
    image = 128 + 4 * labels[..., None] + rng.normal(0, 3, (*labels.shape, 3))
    Image.fromarray(image.round().astype(np.uint8)).save(root / "images" / "scene.png")
    Image.fromarray(labels).save(root / "labels" / "scene.png")
    Image.fromarray(coarse).save(root / "predictions" / "scene.png")
    dataset = LabelledFolder(root / "images", root / "labels")
    return LabelledPredictions(dataset, root / "predictions", num_classes=2)


def assert_measured_by_evaluate(data: LabelledPredictions, sharpener: Sharpener, search: dict[str, list[str]]) -> str:
    """Return the windows of the only setting of a search."""
    [(setting, found)] = tune(data, sharpener, search | {"hardness": ["2"], "score_weight": ["auto"]}).after.items()
    measured = evaluate(data, sharpener).after
    for metric in ("miou", "trimap_4"):
        assert found.value(metric) == pytest.approx(measured.value(metric), abs=0.05)
    return str(setting.window)


def test_thin_parts_count_by_the_cells_of_the_label_map(data: LabelledPredictions) -> None:
    sharpener = Sharpener(RGBCue(), window="5@4,5", passes=4, hardness=2.0)
    assert assert_measured_by_evaluate(data, sharpener, {"window": ["5@4,5"], "passes": ["4"]}) == "5@4,5"


def test_a_setting_has_no_window_that_does_not_act(data: LabelledPredictions) -> None:
    sharpener = Sharpener(RGBCue(), window="5@32,5@4,5", passes=(4, 4, 6), hardness=2.0)
    search = {"window": ["5@32,5@4,5", "5@4,5"], "passes": ["4,4,6", "4,6"]}
    assert assert_measured_by_evaluate(data, sharpener, search) == "5@4,5"
