"""Where a band of void lies on the outlines it is the boundary; where hardly any boundary is left metrics say so."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from crispseg import InputError
from crispseg.cli.main import main
from crispseg.data import LabelledFolder, LabelledPredictions
from crispseg.evaluation import Comparison, remarks_on, void_band_of
from crispseg.metrics import METRICS, Accuracy, ConfusionMatrix, Truth, trimap
from crispseg.metrics.contours import contour, near_other_label
from crispseg.metrics.void_band import VOID_BAND, count_borders, filled, find_void_band, void_band
from tests.metrics.test_accuracy import blocks
from tests.real_data import DATA, needs

VOID = -1


def scene(size: int = 60) -> Tensor:
    """Two classes that meet along a slanted line, and a disc of a third."""
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    labels = (columns > size // 3 + 0.3 * rows).long()
    labels[(rows - 40) ** 2 + (columns - 40) ** 2 < 100] = 2
    return labels


def banded(labels: Tensor) -> Tensor:
    """As VOC's annotators leave them: void within 2 pixels of every change, a band of about 5."""
    change = torch.zeros_like(labels, dtype=torch.bool)
    change[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    change[:-1] |= labels[:-1] != labels[1:]
    near = torch.nn.functional.max_pool2d(change[None, None].float(), 5, 1, 2)[0, 0] > 0
    return labels.masked_fill(near, VOID)


def brute_band(labels: Tensor, width: int) -> Tensor:
    band = torch.zeros_like(labels, dtype=torch.bool)
    for row in range(labels.shape[0]):
        for column in range(labels.shape[1]):
            around = labels[max(row - width, 0) : row + width + 1, max(column - width, 0) : column + width + 1]
            known = {value for value in around.flatten().tolist() if value != VOID}
            band[row, column] = bool(labels[row, column] == VOID) and len(known) > 1
    return band


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), width=st.integers(0, 4))
def test_the_band_lies_between_two_labels(seed: int, width: int) -> None:
    labels = blocks(seed)
    labels = labels.masked_fill(labels == 255, VOID)
    expected = brute_band(labels, width)
    assert torch.equal(void_band(labels, width), expected)
    for distance in (1, 3):
        touching = contour(labels, ignore_index=VOID) | expected
        near = torch.zeros_like(touching)
        for row, column in touching.nonzero().tolist():
            near[max(row - distance, 0) : row + distance + 1, max(column - distance, 0) : column + distance + 1] = True
        found = trimap(labels, distance, ignore_index=VOID, void_band=width)
        assert torch.equal(found, near & (labels != VOID))
    closed = filled(labels, width)
    assert torch.equal(closed[labels != VOID], labels[labels != VOID])
    assert not (closed != VOID)[(labels == VOID) & ~expected].any()


def test_a_wide_void_and_one_beside_a_single_label_are_no_boundary() -> None:
    bonnet = scene()
    bonnet[50:] = VOID
    bonnet[:, :3] = VOID
    assert not void_band(bonnet[:, :20], VOID_BAND).any()
    gap = torch.tensor([[0] * 8 + [VOID] * 11 + [1] * 8])
    assert not void_band(gap, VOID_BAND).any()
    assert void_band(gap, 11).sum() == 11
    assert void_band(torch.tensor([[0, VOID, VOID, VOID, 0, 1]]), 3).any(), "a label on one side, two on the other"


def test_the_band_is_closed_from_both_sides() -> None:
    assert filled(torch.tensor([[0, 0, VOID, VOID, VOID, VOID, 1, 1]]), 5).tolist() == [[0, 0, 0, 0, 1, 1, 1, 1]]
    labels = scene()
    closed = filled(banded(labels), VOID_BAND)
    assert (closed == VOID).sum() < 0.05 * (banded(labels) == VOID).sum(), "corners where three bands meet"
    assert (closed != labels).float().mean() < 0.02


def measured(predicted: Tensor, labels: Tensor, band: int) -> Accuracy:
    accuracy = Accuracy(3)
    accuracy.add(predicted, Truth(labels, 3, void_band=band))
    return accuracy


def test_what_is_predicted_below_the_band_plays_no_part() -> None:
    labels, truth = scene(), banded(scene())
    torch.manual_seed(0)
    noise = torch.where(truth == VOID, torch.randint(3, truth.shape), labels)
    for predicted in (labels, noise):
        accuracy = measured(predicted, truth, VOID_BAND)
        assert {name: accuracy.value(name) for name in METRICS} == dict.fromkeys(METRICS, 100.0)


@pytest.mark.parametrize("name", ["trimap_4", "boundary_iou", "boundary_f"])
def test_the_band_gives_nearly_the_numbers_of_labels_that_touch(name: str) -> None:
    """Predictions that are 4 pixels off: what VOC's band hides is known again. Without the band nothing is left."""
    labels = scene(180)
    for shift in (4, 8, 12):
        predicted = labels.roll(shift, 1)
        touching, band = measured(predicted, labels, 0), measured(predicted, banded(labels), VOID_BAND)
        assert math.isnan(measured(predicted, banded(labels), 0).value(name))
        assert band.value(name) < 100
        assert band.value(name) >= touching.value(name) - 3
    values = [measured(labels.roll(shift, 1), banded(labels), VOID_BAND).value(name) for shift in (0, 5, 9, 14)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 100 > values[3]


def test_a_metric_says_why_it_says_nothing() -> None:
    truth = banded(scene())
    truth[0, 19:21] = torch.tensor([0, 1])  # two labels that touch by chance
    before, after = (measured(scene().roll(shift, 1), truth, 0) for shift in (5, 2))
    for name in METRICS:
        near = name not in ("miou", "pixel_accuracy")
        assert math.isnan(before.value(name)) == near
        assert bool(before.undefined(name)) == near
        assert bool(before.per_class(name).isnan().all()) == near
    boundary, hidden = count_borders(truth, 0).tolist()
    reason = before.undefined("trimap_4")
    assert reason
    assert reason.startswith(f"too few boundary pixels: {boundary} beside another label and {hidden} beside void")
    assert any(reason in remark for remark in remarks_on(before))
    comparison = Comparison(before, after)
    assert math.isnan(comparison.gains["boundary_f"].low)
    assert comparison.gains["miou"].value > 0
    assert '"trimap_4": null' in comparison.as_json()
    again = Accuracy.from_state(before.state())
    assert again.undefined("trimap_4") == reason
    assert measured(scene(), truth, VOID_BAND).undefined("trimap_4") is None


def test_the_band_is_found_once_for_a_data_set() -> None:
    labels = scene()
    strips = labels.clone()
    strips[28:31] = VOID  # here and there, as in CamVid
    assert find_void_band([banded(labels)]) == VOID_BAND
    assert find_void_band([labels, strips]) == 0
    assert find_void_band([banded(labels), banded(labels), labels]) == VOID_BAND
    assert find_void_band([torch.zeros(5, 5).long()]) == 0


@pytest.fixture
def voc_like(tmp_path: Path) -> Path:
    for folder in ("images", "labels", "scores"):
        (tmp_path / folder).mkdir()
    for index in range(4):
        labels = scene().roll(3 * index, 0)
        stored = banded(labels).masked_fill(banded(labels) == VOID, 255).numpy().astype(np.uint8)
        Image.fromarray(stored).save(tmp_path / "labels" / f"{index}.png")
        rng = np.random.default_rng(index)
        colours = np.array([[200, 60, 40], [40, 90, 200], [90, 190, 60]])[labels]
        noisy = np.clip(colours + rng.normal(0, 6, colours.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(tmp_path / "images" / f"{index}.png")
        scores = torch.nn.functional.one_hot(labels.roll(2, 1), 3).permute(2, 0, 1)[:, ::4, ::4].numpy()
        np.save(tmp_path / "scores" / f"{index}.npy", 4 * scores.astype(np.float32))
    return tmp_path


def options(root: Path, *more: str) -> list[str]:
    folders = {"images": "images", "labels": "labels", "predictions": "scores"}
    named = [part for name, folder in folders.items() for part in (f"--{name}", str(root / folder))]
    return [*named, "--void", "255", *more]


@pytest.mark.slow  # runs three commands
@pytest.mark.usefixtures("no_memory_process")
def test_evaluate_tune_and_table_find_the_band(voc_like: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filter_ = ["--cue", "rgb", "--json", str(voc_like / "a.json")]
    assert main(["evaluate", *options(voc_like), *filter_]) == 0
    heading = " ".join(capsys.readouterr().out.split())
    assert "bands of void up to 5 px wide count as boundaries" in heading
    content = json.loads((voc_like / "a.json").read_text())
    assert (content["void_band"], content["remarks"]) == (5, [])
    assert content["before"]["boundary_f"] > 20
    assert content["gain"]["trimap_4"]["low"] < content["gain"]["trimap_4"]["high"]

    assert main(["evaluate", *options(voc_like, "--void-band", "0"), *filter_]) == 0
    output = capsys.readouterr()
    assert "bands of void" not in output.out
    assert "note: boundary metrics are undefined: too few boundary pixels" in output.err
    content = json.loads((voc_like / "a.json").read_text())
    assert (content["void_band"], content["before"]["trimap_4"]) == (0, None)

    grid = ["--cue", "rgb", "--window", "5", "--hardness", "10", "--passes", "1"]
    assert main(["tune", *options(voc_like), *grid]) == 0
    assert main(["tune", *options(voc_like, "--void-band", "0"), *grid]) == 2
    error = capsys.readouterr().err
    assert "'both' is undefined" in error
    assert "4 images have too few boundary pixels" in error

    rows = ["--rows", "rgb 9x9 x1", "--tune-every", "2", "--output"]
    assert main(["table", *options(voc_like), *rows, str(voc_like / "out")]) == 0
    assert "bands of void up to 5 px wide" in (voc_like / "out" / "table.md").read_text()
    assert json.loads((voc_like / "out" / "table.json").read_text())["data"]["void_band"] == 5
    assert main(["table", *options(voc_like, "--void-band", "0"), *rows, str(voc_like / "b")]) == 2
    assert "too few boundary pixels" in capsys.readouterr().err


def test_a_band_is_a_whole_number(voc_like: Path) -> None:
    folder = LabelledFolder(voc_like / "images", voc_like / "labels", void=255)
    with pytest.raises(InputError, match="void_band is -1"):
        LabelledPredictions(folder, voc_like / "scores", scores="logits", void_band=-1)
    assert void_band_of(LabelledPredictions(folder, voc_like / "scores", scores="logits", void_band=7)) == 7


DTYPES = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ignore_index", [-1, 255, -100, 668, 127])
def test_narrow_labels_are_what_wide_ones_are(dtype: torch.dtype, ignore_index: int) -> None:
    """A label 255 of uint8 is not -1, and -1 of int8 is not 255."""
    ends = torch.iinfo(dtype)
    pool = [value for value in (0, 1, 21, 127, 255, -1, -100, 668) if ends.min <= value <= ends.max]
    generator = torch.Generator().manual_seed(0)
    wide = torch.tensor(pool)[torch.randint(len(pool), (9, 11), generator=generator)]
    narrow = wide.to(dtype)
    assert torch.equal(trimap(narrow, 1, ignore_index=ignore_index), trimap(wide, 1, ignore_index=ignore_index))
    assert torch.equal(contour(narrow, ignore_index=ignore_index), contour(wide, ignore_index=ignore_index))
    for distance in (1, 2):
        near = [near_other_label(labels, distance, ignore_index=ignore_index) for labels in (narrow, wide)]
        assert torch.equal(*near)


@pytest.mark.parametrize("dtype", DTYPES)
def test_narrow_labels_are_counted_as_wide_ones(dtype: torch.dtype) -> None:
    """21 · 20 + 20 is beyond eight bits."""
    generator = torch.Generator().manual_seed(1)
    labels, predicted = (torch.randint(21, (20, 30), generator=generator) for _ in range(2))
    labels[:2] = 127
    narrow, wide = ConfusionMatrix(21), ConfusionMatrix(21)
    narrow.add(predicted.to(dtype), labels.to(dtype))
    wide.add(predicted, labels)
    assert torch.equal(narrow.counts, wide.counts)
    counted = [Accuracy(21), Accuracy(21)]
    counted[0].add(predicted.to(dtype), Truth(labels.to(dtype), 21))
    counted[1].add(predicted, Truth(labels, 21))
    for name in METRICS:
        assert torch.equal(*(accuracy.counts(name) for accuracy in counted)), name


def remarks(predicted: Tensor, labels: Tensor, num_classes: int) -> list[str]:
    accuracy = Accuracy(num_classes, ["miou"])
    accuracy.add(predicted, Truth(labels, num_classes, ["miou"]))
    return remarks_on(accuracy)


def test_labels_that_look_misread_are_said() -> None:
    labels = scene()
    assert remarks(labels, labels, 4) == []
    [alone] = remarks(labels, labels.where(labels == 0, VOID), 4)
    assert "only class 0 and void, none of the other 3 classes" in alone
    [moved] = remarks(labels, labels + 1, 4)
    assert "100 % of the pixels of true class c are predicted as class c -1" in moved
    assert "--numbering 1-based" in moved
    assert remarks(labels.roll(4, 1), labels, 4) == []


@needs("voc2012_val_half")
def test_voc_has_the_band_and_camvid_has_none() -> None:
    def labels_of(folder: str, every: int, void: int) -> list[Tensor]:
        files = sorted((DATA / folder).glob("*.png"))[::every]
        maps = [torch.from_numpy(np.array(Image.open(file))).long() for file in files]
        return [labels.masked_fill(labels == void, VOID) for labels in maps]

    assert find_void_band(labels_of("voc2012_val_half/labels", 20, 255)) == VOID_BAND
    assert find_void_band(labels_of("camvid/valannot", 20, 11)) == 0
