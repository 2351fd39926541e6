"""Counts kept for each image give exact intervals, and fit into memory for ADE20K."""

import math
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener, Window
from crispseg.cues import RGBCue
from crispseg.data import LabelledFolder, LabelledPredictions
from crispseg.evaluation import Comparison, remarks_on
from crispseg.metrics import METRICS, AbsentClasses, Accuracy, ConfusionMatrix, Truth, gain, trimap
from crispseg.tuning import tune
from crispseg.tuning.result import MEASURED, totals_of
from tests.fakes import write_scored_folder
from tests.metrics.test_accuracy import VOID, blocks

ADE20K_CLASSES, ADE20K_IMAGES = 150, 2000
MIB = 2**20


def counted(pairs: Iterable[tuple[Tensor, Tensor]], num_classes: int, accuracy: Accuracy) -> Accuracy:
    for predicted, labels in pairs:
        accuracy.add(predicted, Truth(labels, num_classes, accuracy.metrics))
    return accuracy


def bytes_held(*accuracies: Accuracy) -> int:
    """Of the tensors that accuracies hold, each block of memory once."""
    blocks_of = {}
    waiting: list[object] = [vars(accuracy) for accuracy in accuracies]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Tensor):
            storage = value.untyped_storage()
            blocks_of[storage.data_ptr()] = storage.nbytes()
        elif isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return sum(blocks_of.values())


def of_ade20k(images: int) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(images)
    return [tuple(torch.randint(ADE20K_CLASSES, (2, 24, 32), generator=generator)) for _ in range(images)]


def test_ade20k_fits_200_megabytes() -> None:
    """All metrics of 2000 images, before and after, at their full size: counts of 20 images stored 100 times."""
    some = counted(of_ade20k(20), ADE20K_CLASSES, Accuracy(ADE20K_CLASSES))
    state = some.state()
    before, after = Accuracy(ADE20K_CLASSES), Accuracy(ADE20K_CLASSES)
    for accuracy in (before, after):
        for _ in range(ADE20K_IMAGES // 20):
            accuracy.extend({name: counts.clone() for name, counts in state.items()})
    assert before.images == ADE20K_IMAGES
    assert bytes_held(before, after) < 200e6
    assert bytes_held(before) <= 100 * bytes_held(some)
    assert torch.equal(before.total("boundary_f"), 100 * some.total("boundary_f"))
    found = gain(before, after, "trimap_4", samples=50)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_a_grid_of_90_settings_takes_as_much_for_every_number_of_images() -> None:
    grid = [totals_of(ADE20K_CLASSES) for _ in range(90)]
    sizes = []
    for predicted, labels in of_ade20k(3):
        truth = Truth(labels, ADE20K_CLASSES, MEASURED)
        for accuracy in grid:
            accuracy.add(predicted, truth)
        sizes.append(bytes_held(*grid))
    assert sizes[0] == sizes[2] < MIB


def test_the_search_keeps_totals(tmp_path: Path) -> None:
    write_scored_folder(tmp_path, 4)
    data = LabelledPredictions(
        LabelledFolder(tmp_path / "images", tmp_path / "labels", void=11), tmp_path / "scores", scores="logits"
    )
    sharpener, grid = Sharpener(RGBCue()), {"window": [Window(5)], "hardness": [1.0, 4.0], "passes": [1, 2]}
    few, many = (tune(data, sharpener, grid, every=every) for every in (4, 1))  # type: ignore[arg-type]
    assert (few.images, many.images) == (1, 4)
    assert bytes_held(few.before, *few.after.values()) == bytes_held(many.before, *many.after.values())
    remarks_on(many.before)  # needs totals alone
    with pytest.raises(InputError, match=r"totals.*per_image=True"):
        gain(many.before, many.before, "miou")


def test_totals_are_sums_of_the_counts_of_images() -> None:
    pairs = [(blocks(seed, void=False), blocks(seed + 1)) for seed in range(5)]
    single, total = counted(pairs, 3, Accuracy(3)), counted(pairs, 3, Accuracy(3, per_image=False))
    for name in METRICS:
        assert torch.equal(single.total(name), single.counts(name).sum(0))
        assert torch.equal(single.total(name), total.total(name))
        assert single.value(name) == total.value(name)
    with pytest.raises(InputError, match=r"totals.*per_image=True"):
        total.counts("miou")


def test_counts_beyond_32_bits_stay_exact() -> None:
    accuracy = counted([(blocks(0, void=False), blocks(1))], 3, Accuracy(3))
    state = accuracy.state()
    huge = {name: counts.long() * 2**33 if counts.ndim == 3 else counts for name, counts in state.items()}
    accuracy.extend(huge)
    for name in METRICS:
        assert torch.equal(accuracy.counts(name)[1], state[name][0].long() * 2**33)
        assert torch.equal(accuracy.total(name), state[name][0].long() * (2**33 + 1))


@pytest.mark.parametrize(("name", "width"), [("miou", None), ("trimap_2", 2)])
def test_intervals_are_those_of_confusion_matrices_to_the_bit(name: str, width: int | None) -> None:
    """The bootstrap as it was with a matrix for each image, written anew: the same draws, the same numbers."""
    truths = [blocks(seed) for seed in range(0, 80, 10)]
    befores, afters = ([blocks(seed + step, void=False) for seed in range(0, 80, 10)] for step in (1, 2))
    matrices = []
    for predictions in (befores, afters):
        each = []
        for predicted, labels in zip(predictions, truths, strict=True):
            matrix = ConfusionMatrix(3)
            matrix.add(predicted, labels, None if width is None else trimap(labels, width))
            each.append(matrix.counts)
        matrices.append(torch.stack(each).double())
    drawn = torch.randint(8, (400, 8), generator=torch.Generator().manual_seed(0))
    values = []
    for matrix_of in matrices:
        summed = torch.stack([matrix_of[sample].sum(0) for sample in drawn])
        hits, true = summed.diagonal(dim1=1, dim2=2), summed.sum(2)
        ious = 100 * hits / (true + summed.sum(1) - hits)
        values.append(ious.where(true > 0, 0).sum(1) / (true > 0).sum(1))
    expected = torch.nanquantile(values[1] - values[0], torch.tensor([0.025, 0.975]).double()).tolist()
    before, after = (
        counted(zip(said, truths, strict=True), 3, Accuracy(3, absent_classes="ignore")) for said in (befores, afters)
    )
    found = gain(before, after, name, samples=400)
    assert [found.low, found.high] == expected


@pytest.mark.parametrize(("rule", "miou"), [("count", (50 + 100 + 0) / 3), ("ignore", (50 + 100) / 2)])
def test_a_class_that_is_only_predicted_counts_as_0_or_not_at_all(rule: AbsentClasses, miou: float) -> None:
    labels, predicted = torch.tensor([[0, 0, 1, 1]]), torch.tensor([[0, 2, 1, 1]])
    accuracy = counted([(predicted, labels)], 4, Accuracy(4, absent_classes=rule))
    assert accuracy.value("miou") == miou
    assert accuracy.per_class("miou").tolist()[:3] == [50, 100, 0]
    assert math.isnan(accuracy.per_class("miou")[3])
    assert accuracy.value("pixel_accuracy") == 75
    for name in METRICS:
        values, true = accuracy.per_class(name), torch.tensor([True, True, False, False])
        included = ~values.isnan() if rule == "count" else true
        if name != "pixel_accuracy" and included.any() and not values[included].isnan().any():
            assert accuracy.value(name) == pytest.approx(float(values[included].mean()))
    again = Accuracy.from_state(accuracy.state(), absent_classes=rule)
    assert again.value("miou") == miou


def test_the_rule_is_stated_and_the_same_before_and_after() -> None:
    pair = [(blocks(0, void=False), blocks(1))]
    counts, ignores = (counted(pair, 3, Accuracy(3, absent_classes=rule)) for rule in ("count", "ignore"))
    with pytest.raises(InputError, match="'count' before and 'ignore' after"):
        gain(counts, ignores, "miou")
    with pytest.raises(InputError, match="absent_classes is 'zero'; expected one of 'count', 'ignore'"):
        Accuracy(3, absent_classes="zero")  # type: ignore[arg-type]
    for accuracy, words in ((counts, "count as 0"), (ignores, "are left out")):
        comparison = Comparison(accuracy, accuracy)
        assert f'"absent_classes": "{accuracy.absent_classes}"' in comparison.as_json()
        assert words in str(comparison.metric_table().title)


def test_labels_moved_by_one_are_counted_without_a_matrix() -> None:
    labels = blocks(3, size=(40, 50), num_classes=5)
    predicted = blocks(4, size=(40, 50), num_classes=5, void=False)
    matrix = ConfusionMatrix(5)
    matrix.add(predicted, labels)
    accuracy = counted([(predicted, labels)] * 2, 5, Accuracy(5, ["miou"]))
    assert accuracy.off_by_one.tolist() == [2 * int(matrix.counts.diagonal(step).sum()) for step in (-1, 1)]
    assert Accuracy.from_state(accuracy.state()).off_by_one.tolist() == accuracy.off_by_one.tolist()
    assert (labels == VOID).any()


def test_many_classes_are_counted() -> None:
    """More than the 1024 classes that counts of pairs allowed."""
    labels = torch.arange(40 * 50).reshape(40, 50)
    accuracy = counted([(labels.roll(1, 1), labels)], 2000, Accuracy(2000))
    assert accuracy.total("miou").shape == (2000, 3)
    assert accuracy.value("miou") == 0
    assert counted([(labels, labels)], 2000, Accuracy(2000)).value("boundary_f") == 100


def test_labels_of_void_alone_are_told() -> None:
    accuracy = Accuracy(2, ["miou"])
    accuracy.add(torch.zeros(3, 4, dtype=torch.long), Truth(torch.full((3, 4), 255), 2, ["miou"]))
    [remark] = remarks_on(accuracy)
    assert remark.startswith("the true labels hold only void, so nothing was measured")
