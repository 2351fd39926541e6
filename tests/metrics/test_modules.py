"""The metrics as modules of torchmetrics: the numbers of `Accuracy`, and the published Boundary IoU."""

import math
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassJaccardIndex

from crispseg import InputError
from crispseg.metrics import (
    AbsentClasses,
    Accuracy,
    BoundaryFScore,
    BoundaryIoU,
    MeanIoU,
    TrimapIoU,
    Truth,
)
from tests.metrics.test_accuracy import VOID, blocks

CLASSES: tuple[Callable[..., Metric], ...] = (MeanIoU, TrimapIoU, BoundaryIoU, BoundaryFScore)
NAMES = ("miou", "trimap_4", "boundary_iou", "boundary_f")


def batches(count: int, seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    """Predicted and true labels, two images each."""
    return [
        (
            torch.stack([blocks(seed + 7 * i + j, void=False) for j in (0, 1)]),
            torch.stack([blocks(seed + 7 * i + j + 2) for j in (0, 1)]),
        )
        for i in range(count)
    ]


def updated(metric: Metric, pairs: list[tuple[Tensor, Tensor]]) -> Metric:
    for preds, target in pairs:
        metric.update(preds, target)
    return metric


@pytest.mark.parametrize(("make", "name"), [*zip(CLASSES, NAMES, strict=True)])
@pytest.mark.parametrize("rule", ["count", "ignore"])
def test_they_are_the_metrics_of_accuracy(make: Callable[..., Metric], name: str, rule: AbsentClasses) -> None:
    pairs, accuracy = batches(3), Accuracy(4, [name], absent_classes=rule)
    for preds, target in pairs:
        for said, true in zip(preds, target, strict=True):
            accuracy.add(said, Truth(true, 4, [name]))
    mean = updated(make(4, ignore_index=VOID, absent_classes=rule), pairs).compute()
    each = updated(make(4, ignore_index=VOID, average="none"), pairs).compute()
    assert mean.dtype == torch.float32
    assert mean.item() == pytest.approx(accuracy.value(name) / 100)
    assert torch.allclose(each.double(), accuracy.per_class(name) / 100, equal_nan=True)
    assert each[3].isnan()


def boundary_region(mask: list[list[bool]], distance: int) -> set[tuple[int, int]]:
    """Pixels of a mask less those of its erosion: all pixels within a square are in the mask and in the image."""
    height, width = len(mask), len(mask[0])

    def is_in(row: int, column: int) -> bool:
        return 0 <= row < height and 0 <= column < width and mask[row][column]

    steps = range(-distance, distance + 1)
    inside = {(r, c) for r in range(height) for c in range(width) if mask[r][c]}
    eroded = {(r, c) for r, c in inside if all(is_in(r + y, c + x) for y in steps for x in steps)}
    return inside - eroded


def published_boundary_iou(predicted: Tensor, true: Tensor, share: float = 0.02) -> float:
    """Cheng et al. (2021), eq. 2: |(G_d ∩ G) ∩ (P_d ∩ P)| / |(G_d ∩ G) ∪ (P_d ∩ P)|, d a share of the diagonal."""
    distance = max(1, round(share * math.sqrt(true.shape[0] ** 2 + true.shape[1] ** 2)))
    one, other = (boundary_region(mask.bool().tolist(), distance) for mask in (true, predicted))
    return len(one & other) / len(one | other) if one | other else math.nan


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    height=st.integers(1, 30),
    width=st.integers(1, 30),
    share=st.sampled_from([0.02, 0.05, 0.1, 0.3]),
)
def test_it_is_the_published_boundary_iou_of_binary_masks(seed: int, height: int, width: int, share: float) -> None:
    predicted, true = (blocks(seed + i, size=(height, width), num_classes=2, void=False) for i in (0, 1))
    metric = BoundaryIoU(2, share, average="none")
    metric.update(predicted[None], true[None])
    expected = published_boundary_iou(predicted, true, share)
    assert metric.compute()[1].item() == pytest.approx(expected, nan_ok=True)


def test_it_is_the_published_boundary_iou_at_its_own_width() -> None:
    """2 % of the diagonal of 120 x 160 pixels is 4; shapes that touch the border of the image among them."""
    rows, columns = torch.meshgrid(torch.arange(120), torch.arange(160), indexing="ij")
    for index in range(6):
        true, predicted = (
            ((rows - 20 * index) ** 2 + (columns - 30 * index) ** 2 < radius**2).long() for radius in (50, 46 + index)
        )
        metric = BoundaryIoU(2, average="none")
        metric.update(predicted[None], true[None])
        assert metric.compute()[1].item() == pytest.approx(published_boundary_iou(predicted, true))


def test_mean_iou_is_that_of_torchmetrics() -> None:
    """A class that is only predicted counts as 0 in both; one that does not occur is left out by both."""
    preds, target = torch.tensor([[[0, 2, 1, 1, 1]]]), torch.tensor([[[0, 0, 1, 1, 255]]])
    theirs = MulticlassJaccardIndex(4, ignore_index=255)
    assert (
        updated(MeanIoU(4, ignore_index=255), [(preds, target)]).compute()
        == updated(theirs, [(preds, target)]).compute()
        == pytest.approx(0.5)
    )
    ignored = updated(MeanIoU(4, ignore_index=255, absent_classes="ignore"), [(preds, target)])
    assert ignored.compute() == pytest.approx(0.75)


@pytest.mark.parametrize("make", CLASSES)
def test_counts_add_up_across_processes(make: Callable[..., Metric]) -> None:
    """The other process is told by what torchmetrics would gather of it."""
    pairs = batches(4)
    there = updated(make(3, ignore_index=VOID), pairs[1:])
    gather = {"dist_sync_fn": lambda here, group: [here, there.counts], "distributed_available_fn": lambda: True}
    here = updated(make(3, ignore_index=VOID, **gather), pairs[:1])
    together = updated(make(3, ignore_index=VOID), pairs)
    assert here.compute() == together.compute() != there.compute()


@pytest.mark.parametrize("make", CLASSES)
def test_a_batch_has_its_own_value_and_reset_forgets(make: Callable[..., Metric]) -> None:
    pairs = batches(2)
    metric = make(3, ignore_index=VOID)
    alone = [updated(make(3, ignore_index=VOID), [pair]).compute() for pair in pairs]
    assert [metric(*pair) for pair in pairs] == alone
    assert metric.compute() == updated(make(3, ignore_index=VOID), pairs).compute()
    metric.reset()
    assert updated(metric, pairs[1:]).compute() == alone[1]


def test_a_collection_holds_them() -> None:
    metrics = MetricCollection({name: make(3, ignore_index=VOID) for make, name in zip(CLASSES, NAMES, strict=True)})
    for pair in batches(2):
        metrics.update(*pair)
    values = metrics.compute()
    assert set(values) == set(NAMES)
    for make, name in zip(CLASSES, NAMES, strict=True):
        assert values[name] == updated(make(3, ignore_index=VOID), batches(2)).compute()


def test_scores_are_taken_by_their_largest() -> None:
    preds, target = batches(1)[0]
    scores = torch.nn.functional.one_hot(preds, 3).permute(0, 3, 1, 2).float()
    assert torch.equal(
        updated(BoundaryIoU(3, ignore_index=VOID), [(scores, target)]).compute(),
        updated(BoundaryIoU(3, ignore_index=VOID), [(preds, target)]).compute(),
    )


@pytest.mark.parametrize("make", CLASSES[1:])
def test_a_share_of_the_diagonal_is_as_many_pixels(make: Callable[..., Metric]) -> None:
    """Of 12 x 16 pixels the diagonal is 20, and 0.15 of it 3 pixels; other sizes have other widths."""
    pairs = [(torch.stack([blocks(1, size=(12, 16), void=False)]), torch.stack([blocks(2, size=(12, 16))]))]
    values = [updated(make(3, width, ignore_index=VOID), pairs).compute() for width in (3, 0.15, 1)]
    assert values[0] == values[1] != values[2]


def test_a_band_of_void_may_be_a_boundary() -> None:
    target = torch.zeros(1, 30, 40, dtype=torch.int64)
    target[:, :, 20:] = 1
    preds = target.roll(4, 2)
    target[:, :, 18:22] = VOID
    with_, without = (
        updated(TrimapIoU(2, ignore_index=VOID, void_band=band), [(preds, target)]).compute() for band in (5, 0)
    )
    assert 0 < with_ < 1
    assert without.isnan()


def test_wrong_options_and_labels_are_refused() -> None:
    for wrong, message in (
        (lambda: BoundaryIoU(2, 2.0), "width is 2.0; expected an int in pixels, or a float below 1"),
        (lambda: TrimapIoU(2, 0), "width is 0; expected a whole number of 1 or more"),
        (lambda: BoundaryFScore(2, -0.5), "tolerance is -0.5; expected a number above 0"),
        (lambda: MeanIoU(0), "num_classes is 0"),
        (lambda: MeanIoU(2, average="micro"), "average is 'micro'; expected one of 'macro', 'none'"),  # type: ignore[arg-type]
        (lambda: MeanIoU(2, absent_classes="nan"), "absent_classes is 'nan'"),  # type: ignore[arg-type]
        (lambda: MeanIoU(2, void_band=5), "void_band is 5, but the metric looks at no boundaries"),
    ):
        with pytest.raises(InputError, match=message):
            wrong()
    metric, labels = MeanIoU(2), torch.zeros(1, 3, 4, dtype=torch.int64)
    with pytest.raises(InputError, match=r"target holds label 255, .*2 classes; pass ignore_index=255"):
        metric.update(labels, labels + 255)
    with pytest.raises(InputError, match="predicted label 2 is not one of the 2 classes"):
        metric.update(labels + 2, labels)
    with pytest.raises(
        InputError, match=r"preds have shape \(1, 3, 3, 4\).*expected scores \(N, C, H, W\) of 2 classes"
    ):
        metric.update(torch.zeros(1, 3, 3, 4), labels)
    with pytest.raises(InputError, match=r"preds have shape \(3, 4\).*expected labels \(N, H, W\)"):
        metric.update(labels[0], labels[0])
    with pytest.raises(TypeError, match=r"target is torch.float32; expected an integer dtype: .*\.long\(\)"):
        metric.update(labels, labels.float())


def test_torchmetrics_is_imported_when_it_is_asked_for() -> None:
    code = """
import sys
sys.modules["torchmetrics"] = None
from crispseg.errors import InputError
import crispseg.metrics
crispseg.metrics.Accuracy(2)
try:
    crispseg.metrics.MeanIoU
except InputError as error:
    print(error)
"""
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said == "MeanIoU needs torchmetrics; install it with: pip install 'crispseg[metrics]'\n"
