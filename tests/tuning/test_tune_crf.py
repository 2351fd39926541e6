"""The search for a CRF goes from coarse to fine and returns the best that it tried."""

from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from crispseg import InputError, Sharpener
from crispseg.cues import RGBCue
from crispseg.data import LabelledFolder, LabelledPredictions
from crispseg.evaluation import evaluate
from crispseg.inference import DenseCRF
from crispseg.tuning import CRFGrid, tune_crf
from tests.fakes import write_scored_folder
from tests.marks import needs_pydensecrf

GRID = CRFGrid((2, 6), (10,), (10, 20), (1,), (1,))


@pytest.fixture
def data(tmp_path: Path) -> LabelledPredictions:
    write_scored_folder(tmp_path, count=2)
    folder = LabelledFolder(tmp_path / "images", tmp_path / "labels", void=11)
    return LabelledPredictions(folder, tmp_path / "scores", num_classes=None, scores="logits")


def test_a_grid_is_every_combination_and_finer_around_the_best() -> None:
    assert GRID.settings(3) == [
        DenseCRF(weight, 10, colour, 1, 1, iterations=3) for weight in (2, 6) for colour in (10, 20)
    ]
    assert len(CRFGrid().settings(10)) == 27
    best = DenseCRF(6, 10, 10, 1, 1)
    assert GRID.around(best, 0.5) == CRFGrid((4, 6, 8), (10,), (5, 10, 15), (1,), (1,))
    assert GRID.around(best, 0.25) == CRFGrid((5, 6, 7), (10,), (7.5, 10, 12.5), (1,), (1,))
    assert GRID.around(DenseCRF(2, 10, 4, 1, 1), 1) == CRFGrid((2, 6), (10,), (4, 14), (1,), (1,))


@needs_pydensecrf
def test_it_measures_the_grid_and_what_lies_around_the_best(data: LabelledPredictions) -> None:
    options: dict[str, Any] = {"window": 9, "passes": 1, "hardness": 40, "score_weight": 0, "guard": None}
    sharpener = Sharpener(RGBCue(), upsampling="bilinear", **options)
    coarse = tune_crf(data, sharpener, grid=GRID, rounds=0, iterations=2)
    assert list(coarse.after) == GRID.settings(2)
    assert coarse.images == 2
    fine = tune_crf(data, sharpener, grid=GRID, rounds=1, iterations=2)
    best_of_grid = max(coarse.after, key=coarse.value)
    expected = GRID.settings(2) + GRID.around(best_of_grid, 0.5).settings(2)
    assert list(fine.after) == list(dict.fromkeys(expected))
    assert fine.best is not None
    assert fine.value(fine.best) >= coarse.value(best_of_grid)


def test_nothing_is_measured_twice(data: LabelledPredictions, monkeypatch: pytest.MonkeyPatch) -> None:
    measured: list[DenseCRF] = []

    def leave(crf: DenseCRF, probabilities: Tensor, image: Tensor) -> Tensor:
        del image
        measured.append(crf)
        return probabilities

    monkeypatch.setattr(DenseCRF, "__call__", leave)
    found = tune_crf(data, None, grid=GRID, rounds=2)
    assert sorted(measured, key=str) == sorted(list(found.after) * 2, key=str)


@needs_pydensecrf
def test_its_accuracies_are_those_of_evaluate(data: LabelledPredictions) -> None:
    sharpener = Sharpener(RGBCue())
    found = tune_crf(data, sharpener, grid=GRID, rounds=0, every=1)
    setting = GRID.settings(10)[2]
    without, with_crf = evaluate(data, sharpener), evaluate(data, sharpener, crf=setting)
    assert found.before.value("miou") == pytest.approx(without.after.value("miou"))
    assert found.after[setting].value("miou") == pytest.approx(with_crf.after.value("miou"))
    assert found.after[setting].value("trimap_4") == pytest.approx(with_crf.after.value("trimap_4"))
    alone = tune_crf(data, None, grid=GRID, rounds=0, every=2)
    assert alone.images == 1
    assert alone.before.value("miou") != pytest.approx(found.before.value("miou"))


def test_a_grid_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(InputError, match="bilateral_xy is empty; expected at least one"):
        CRFGrid(bilateral_xy=())
    with pytest.raises(InputError, match=r"bilateral_rgb is 0; expected a number above 0"):
        CRFGrid(bilateral_rgb=(0, 3))
