"""True labels at a fraction of the resolution: shares of classes, void, and the whole command."""

import json
from pathlib import Path

import pytest
import torch

from crispseg import InputError
from crispseg.cli.main import main
from crispseg.data import IGNORE_INDEX, CoarseTruth, LabelledFolder
from crispseg.data.coarse_truth import shrunk
from tests.fakes import write_folder


def test_a_score_is_the_share_of_the_labelled_pixels() -> None:
    labels = torch.tensor([[0, 0, 1, 1], [0, 2, 1, IGNORE_INDEX]])
    scores = shrunk(labels, 2, 3)
    assert torch.allclose(scores[:, 0, 0], torch.tensor([0.75, 0, 0.25]))
    assert torch.allclose(scores[:, 0, 1], torch.tensor([0.0, 1, 0]))
    assert torch.allclose(scores.sum(0), torch.ones(1, 2))


def test_void_alone_says_nothing_and_a_band_is_filled() -> None:
    nothing = torch.full((4, 4), IGNORE_INDEX)
    assert torch.allclose(shrunk(nothing, 4, 4), torch.full((4, 1, 1), 0.25))
    band = torch.tensor([[0] * 9 + [IGNORE_INDEX] * 4 + [1] * 7]).expand(4, 20)
    assert torch.allclose(shrunk(band, 4, 2)[1, 0], torch.tensor([0.0, 0, 0.25, 1, 1]))


def test_sizes_that_do_not_divide_are_covered() -> None:
    assert shrunk(torch.zeros(9, 13, dtype=torch.int64), 4, 2).shape == (2, 3, 4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(tmp_path, 4)


def test_it_is_a_data_set_with_predictions(folder: Path) -> None:
    dataset = LabelledFolder(folder / "images", folder / "labels", void=11)
    data = CoarseTruth(dataset, 4, num_classes=3, mean_over=[0, 1])
    sample, prediction = data[1]
    assert prediction.kind == "probabilities"
    assert str(prediction.grid) == "stretched"
    assert torch.equal(prediction.scores, shrunk(sample.labels, 4, 3))
    assert set(data.read_from) == set(dataset.files)
    with pytest.raises(InputError, match="factor is 0"):
        CoarseTruth(dataset, 0, num_classes=3)
    with pytest.raises(InputError, match="--num-classes"):
        CoarseTruth(dataset, 4)


def test_evaluate_takes_it_in_place_of_predictions(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--images", str(folder / "images"), "--labels", str(folder / "labels"), "--void", "11"]
    result = folder / "result.json"
    command = ["evaluate", *given, "--num-classes", "3", "--cue", "rgb", "--json", str(result)]
    assert main([*command, "--coarse-truth", "2", "--thin", "2", "--mean-over", "0", "2", "--skip-every", "2"]) == 0
    fine = json.loads(result.read_text())
    assert (fine["images"], fine["mean_over"]) == (2, [0, 2])
    assert fine["before"]["miou"] == pytest.approx(
        (fine["per_class"]["before"]["miou"][0] + fine["per_class"]["before"]["miou"][2]) / 2, abs=1e-3
    )
    assert fine["before"]["cldice:2"] > 90
    out = capsys.readouterr().out
    assert "clDice of 2" in out
    assert "over 2 of 3 classes: 0, 2" in out
    assert "│ (1)" in out
    assert main([*command, "--coarse-truth", "8"]) == 0
    coarse = json.loads(result.read_text())
    assert coarse["images"] == 4
    assert coarse["before"]["miou"] < fine["before"]["miou"] < 100
    assert main([*command, "--coarse-truth", "8", "--grid", "corners"]) == 2
    assert "--grid describes predictions" in capsys.readouterr().err
    assert main([*command, "--coarse-truth", "8", "--predictions", "x"]) == 2
    assert main(command) == 2
    assert main([*command, "--coarse-truth", "8", "--thin", "pole"]) == 2
    assert "thin holds 'pole'; expected a number from 0 to 2" in capsys.readouterr().err
