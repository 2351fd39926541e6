"""The metrics of a data set against sets of pixels, another library and loops; gains against a plain bootstrap."""

import math
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crispseg import InputError
from crispseg.metrics import METRICS, Accuracy, Truth, gain, trimap
from crispseg.metrics.contours import contour, dilated_by_class, square_maximum
from crispseg.metrics.definitions import BoundaryFDefinition, BoundaryIoUDefinition

VOID = 255
Pixels = set[tuple[int, int]]


def blocks(seed: int, *, size: tuple[int, int] = (13, 17), num_classes: int = 3, void: bool = True) -> Tensor:
    """Labels in blocks of 1 to 4 pixels, some of them void."""
    rng = np.random.default_rng(seed)
    block = int(rng.integers(1, 5))
    coarse = rng.integers(0, num_classes + void, (size[0] // block + 1, size[1] // block + 1))
    labels = np.kron(coarse, np.ones((block, block), dtype=int))[: size[0], : size[1]]
    return torch.from_numpy(np.where(labels == num_classes, VOID, labels))


def measured(
    pairs: Iterable[tuple[Tensor, Tensor]], num_classes: int = 3, metrics: tuple[str, ...] = METRICS
) -> Accuracy:
    accuracy = Accuracy(num_classes, metrics)
    for predicted, labels in pairs:
        accuracy.add(predicted, Truth(labels, num_classes, metrics))
    return accuracy


def pixels(mask: Tensor) -> Pixels:
    return {(row, column) for row, column in mask.nonzero().tolist()}


def rim(mask: Pixels, known: Pixels, size: tuple[int, int], distance: int) -> Pixels:
    """Pixels of a mask with one that is outside of it, or outside the image, within a square."""
    steps = range(-distance, distance + 1)

    def is_out(place: tuple[int, int]) -> bool:
        inside = 0 <= place[0] < size[0] and 0 <= place[1] < size[1]
        return not inside or (place in known and place not in mask)

    return {(r, c) for r, c in mask if any(is_out((r + down, c + right)) for down in steps for right in steps)}


def line(mask: Pixels, known: Pixels) -> Pixels:
    """Pixels of a mask beside a known one outside of it."""
    beside = ((0, 1), (1, 0), (0, -1), (-1, 0))
    return {(r, c) for r, c in mask if any((r + y, c + x) in known - mask for y, x in beside)}


def near(these: Pixels, those: Pixels, radius: float) -> int:
    return sum(any(math.dist(one, other) <= radius for other in those) for one in these)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), distance=st.integers(1, 3))
def test_boundary_iou_is_that_of_the_rims_of_masks(seed: int, distance: int) -> None:
    labels, predicted = blocks(seed), blocks(seed + 1, void=False)
    known, size = pixels(labels != VOID), (13, 17)
    metric = BoundaryIoUDefinition(distance / math.hypot(*size))
    truth = Truth(labels, 3, [])
    counts = metric.count(
        predicted.masked_fill(truth.void, -1), truth.labels, metric.prepare(truth.labels, 3), 3
    ).tolist()
    for label in range(3):
        true, said = (rim(pixels(of == label) & known, known, size, distance) for of in (labels, predicted))
        assert counts[label] == [len(true & said), len(said - true), len(true - said)]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**16), radius=st.sampled_from([1.0, 1.5, 2.0, 2.9, 3.7]))
def test_boundary_f_is_that_of_the_contours_of_masks(seed: int, radius: float) -> None:
    labels, predicted = blocks(seed), blocks(seed + 1, void=False)
    known = pixels(labels != VOID)
    metric = BoundaryFDefinition(radius / math.hypot(13, 17) * (1 + 1e-9))
    truth = Truth(labels, 3, [])
    counts = metric.count(predicted.masked_fill(truth.void, -1), truth.labels, metric.prepare(truth.labels, 3), 3)
    for label in range(3):
        true, said = (line(pixels(of == label) & known, known) for of in (labels, predicted))
        expected = [near(said, true, radius), len(said), near(true, said, radius), len(true)]
        assert counts[label].tolist() == expected
        precision, recall = (expected[i] / expected[i + 1] if expected[i + 1] else 0 for i in (0, 2))
        if said or true:
            f = 200 * precision * recall / (precision + recall) if precision + recall else 0
            assert float(metric.per_class(counts)[label]) == pytest.approx(f)
        else:
            assert math.isnan(metric.per_class(counts)[label])


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**16), height=st.integers(1, 9), width=st.integers(1, 9), distance=st.integers(0, 12))
def test_the_largest_of_a_square_is_that_of_a_pooling(seed: int, height: int, width: int, distance: int) -> None:
    values = torch.randint(-50, 50, (height, width), generator=torch.Generator().manual_seed(seed))
    padded = torch.full((height + 2 * distance, width + 2 * distance), -99)
    padded[distance : distance + height, distance : distance + width] = values
    size = 2 * distance + 1
    assert torch.equal(square_maximum(values, distance), padded.unfold(0, size, 1).unfold(1, size, 1).amax((2, 3)))
    assert torch.equal(square_maximum(values > 40, distance), square_maximum(values, distance) > 40)


def test_many_classes_share_whole_numbers() -> None:
    labels = torch.randint(0, 150, (12, 14), generator=torch.Generator().manual_seed(0))
    marked = contour(labels)
    reached = dilated_by_class(marked, labels, 2.0, 150)
    assert reached.planes.shape == (-(-len(set(labels[marked].tolist())) // 62), 12, 14)
    assert not reached.hold(torch.full_like(labels, -1)).any()
    for label in range(150):
        places, held = pixels(marked & (labels == label)), reached.hold(torch.full_like(labels, label))
        for row in range(12):
            for column in range(14):
                expected = any(math.dist((row, column), place) <= 2 for place in places)
                found = held[row, column]
                assert bool(found) == expected


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_mean_iou_and_accuracy_agree_with_scikit_learn(seed: int) -> None:
    from sklearn.metrics import confusion_matrix  # noqa: PLC0415 - slow to import

    pairs = [(blocks(seed + 10 * i, void=False), blocks(seed + 10 * i + 1)) for i in range(3)]
    accuracy = measured(pairs)
    for name, width in (("miou", None), ("trimap_2", 2)):
        matrix = np.zeros((3, 3))
        for predicted, labels in pairs:
            where = (labels != VOID) if width is None else trimap(labels, width)
            if where.any():
                matrix += confusion_matrix(labels[where], predicted[where], labels=[0, 1, 2])
        union = matrix.sum(0) + matrix.sum(1) - matrix.diagonal()
        present = matrix.sum(1) > 0
        if present.any():
            assert accuracy.value(name) == pytest.approx(100 * (matrix.diagonal() / union.clip(1))[present].mean())
        if width is None:
            assert accuracy.value("pixel_accuracy") == pytest.approx(100 * np.trace(matrix) / matrix.sum())
            recall = accuracy.per_class("pixel_accuracy").numpy()[present]
            assert recall == pytest.approx(100 * matrix.diagonal()[present] / matrix.sum(1)[present])


def square(column: int) -> Tensor:
    labels = torch.zeros(40, 60, dtype=torch.int64)
    labels[10:30, column : column + 20] = 1
    return labels


def test_a_square_beside_its_place_costs_more_the_nearer_one_looks() -> None:
    accuracy = measured([(square(23), square(20))], num_classes=2)
    ious = [accuracy.value(name) for name in ("trimap_1", "trimap_2", "trimap_4", "trimap_8", "trimap_16", "miou")]
    assert ious == sorted(ious)
    assert float(accuracy.per_class("miou")[1]) == pytest.approx(100 * 17 / 23)
    # A rim of one pixel (the diagonal is 72): of 76 pixels of each, two rows of 17 fall together.
    assert float(accuracy.per_class("boundary_iou")[1]) == pytest.approx(100 * 34 / (76 + 76 - 34))
    # Contours may lie a pixel apart at most (radius 0.54, so not at all): 17 pixels above and below.
    assert float(accuracy.per_class("boundary_f")[1]) == pytest.approx(100 * 34 / 76)


def test_the_truth_is_right_everywhere_and_void_is_not_looked_at() -> None:
    labels = square(20)
    labels[:, 35:] = VOID
    wrong_in_void = labels.masked_fill(labels == VOID, 1)
    accuracy = measured([(wrong_in_void, labels)], num_classes=2)
    assert [accuracy.value(name) for name in METRICS] == [100] * len(METRICS)


def test_a_class_without_true_pixels_is_not_in_the_mean() -> None:
    labels = square(20)
    accuracy = measured([(labels, labels)], num_classes=4)
    for name in METRICS:
        assert accuracy.value(name) == 100
        assert accuracy.per_class(name).isnan().tolist() == [False, False, True, True]
    predicted = labels.clone()
    predicted[0] = 2
    assert float(measured([(predicted, labels)], num_classes=4).per_class("boundary_iou")[2]) == 0


def test_labels_without_a_boundary_leave_its_metrics_undefined() -> None:
    plain = torch.zeros(8, 8, dtype=torch.int64)
    accuracy = measured([(plain, plain)], num_classes=2)
    assert math.isnan(accuracy.value("trimap_4"))
    assert math.isnan(accuracy.value("boundary_f"))
    assert accuracy.value("boundary_iou") == 100, "the border of the image bounds a mask"


@pytest.mark.parametrize("name", METRICS)
def test_gains_agree_with_a_plain_bootstrap(name: str) -> None:
    truths = [blocks(seed) for seed in range(0, 60, 10)]
    before = [(blocks(seed + 1, void=False), truth) for seed, truth in enumerate(truths)]
    after = [(torch.where(truth == VOID, 0, truth).where(torch.rand(truth.shape) < 0.6, said), truth)
             for said, truth in before]  # fmt: skip
    found = gain(measured(before), measured(after), name, samples=300, seed=4)
    drawn = torch.randint(6, (300, 6), generator=torch.Generator().manual_seed(4)).tolist()
    gains = [
        measured([after[i] for i in sample], metrics=(name,)).value(name)
        - measured([before[i] for i in sample], metrics=(name,)).value(name)
        for sample in drawn[:12]
    ]
    again = gain(measured(before), measured(after), name, samples=12, seed=4)
    fewer = torch.randint(6, (12, 6), generator=torch.Generator().manual_seed(4)).tolist()
    assert fewer == drawn[:12]
    assert (again.low, again.high) == pytest.approx(tuple(np.quantile(gains, [0.025, 0.975])))
    assert found.low <= found.value <= found.high
    assert found.value > 0


def test_nothing_gained_is_an_interval_of_nothing() -> None:
    pairs = [(blocks(seed, void=False), blocks(seed + 1)) for seed in range(4)]
    found = gain(measured(pairs), measured(pairs), "boundary_iou")
    assert (found.value, found.low, found.high) == (0, 0, 0)
    with pytest.raises(InputError, match="4 images before and 3 after; expected the same images"):
        gain(measured(pairs), measured(pairs[:3]), "miou")


def test_a_draw_without_a_boundary_says_nothing_of_the_gain() -> None:
    plain, labels = torch.zeros(40, 60, dtype=torch.int64), square(20)
    before, after = (measured([(plain, plain), (said, labels)], num_classes=2) for said in (plain, labels))
    found = gain(before, after, "boundary_f")
    assert (found.value, found.low, found.high) == (100, 100, 100)
    nothing = measured([(plain, plain)], num_classes=2)
    assert math.isnan(gain(nothing, nothing, "boundary_f").low)
    with pytest.raises(InputError, match="no image was counted"):
        gain(Accuracy(2), Accuracy(2), "miou")


def test_what_is_stored_is_what_was_counted() -> None:
    pairs = [(blocks(seed, void=False), blocks(seed + 1)) for seed in range(3)]
    accuracy = measured(pairs)
    again = Accuracy.from_state(accuracy.state())
    assert (again.images, again.num_classes, again.metrics) == (3, 3, METRICS)
    assert [again.value(name) for name in METRICS] == pytest.approx([accuracy.value(name) for name in METRICS])


def test_what_makes_no_sense_is_refused() -> None:
    accuracy, truth = Accuracy(2), Truth(torch.zeros(4, 5, dtype=torch.int64), 2)
    with pytest.raises(InputError, match=r"prediction has shape \(5, 4\), labels \(4, 5\)"):
        accuracy.add(torch.zeros(5, 4, dtype=torch.int64), truth)
    with pytest.raises(InputError, match="predicted label 2 is not one of the 2 classes"):
        accuracy.add(torch.full((4, 5), 2), truth)
    with pytest.raises(InputError, match="no image was counted"):
        accuracy.value("miou")
    for wrong in (lambda: Accuracy(2, ["dice"]), lambda: Accuracy(2, ["miou"]).value("boundary_f")):
        with pytest.raises(InputError, match=r"metric is '(dice|boundary_f)'; expected"):
            wrong()
    for other in (
        Truth(torch.zeros(4, 5, dtype=torch.int64), 3),
        Truth(torch.zeros(4, 5, dtype=torch.int64), 2, ["miou"]),
    ):
        with pytest.raises(InputError, match=r"truth is .* . classes and miou.*; expected 2 classes and miou, pixel"):
            accuracy.add(torch.zeros(4, 5, dtype=torch.int64), other)
    with pytest.raises(InputError, match="no counts"):
        Accuracy.from_state({})
