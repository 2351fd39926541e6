"""The metrics against counts by hand, against brute force, and against another library."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crispseg import InputError, Window
from crispseg.metrics import ConfusionMatrix, PairCounts, count_pairs, trimap


def random_labels(seed: int, shape: tuple[int, ...] = (9, 11), num_classes: int = 4) -> Tensor:
    return torch.randint(0, num_classes, shape, generator=torch.Generator().manual_seed(seed))


def test_iou_by_hand() -> None:
    matrix = ConfusionMatrix(3)
    matrix.add(predicted=torch.tensor([0, 0, 1, 1]), labels=torch.tensor([0, 1, 1, 255]))
    assert matrix.iou[:2].tolist() == [50.0, 50.0]
    assert math.isnan(matrix.iou[2])
    assert matrix.miou == 50.0


def test_a_class_that_is_only_predicted_counts_as_0_in_the_mean() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    matrix = ConfusionMatrix(3)
    matrix.add(torch.tensor([0, 2, 1, 1]), labels)
    assert matrix.iou.tolist() == [50.0, 100.0, 0.0]
    assert matrix.miou == 50.0


def test_one_matrix_over_the_set_is_not_the_mean_over_images() -> None:
    matrix = ConfusionMatrix(2)
    matrix.add(predicted=torch.zeros(1, dtype=torch.long), labels=torch.zeros(1, dtype=torch.long))
    matrix.add(predicted=torch.zeros(9, dtype=torch.long), labels=torch.ones(9, dtype=torch.long))
    assert matrix.miou == pytest.approx(100 * (1 / 10) / 2)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**16), num_classes=st.integers(2, 6))
def test_iou_equals_sets_of_pixels(seed: int, num_classes: int) -> None:
    labels, predicted = random_labels(seed, num_classes=num_classes), random_labels(seed + 1, num_classes=num_classes)
    matrix = ConfusionMatrix(num_classes)
    matrix.add(predicted, labels)
    for label in range(num_classes):
        inside, said = labels == label, predicted == label
        union = int((inside | said).sum())
        if union:
            assert matrix.iou[label].item() == pytest.approx(100 * int((inside & said).sum()) / union)


def test_a_mask_and_void_labels_leave_pixels_out() -> None:
    labels = torch.tensor([0, 1, 1, 255, 7])
    where = torch.tensor([True, True, False, True, True])
    matrix = ConfusionMatrix(2)
    matrix.add(torch.tensor([0, 0, 1, 0, 0]), labels, where)
    assert matrix.counts.tolist() == [[1, 0], [1, 0]]


def test_wrong_predictions_are_refused() -> None:
    matrix = ConfusionMatrix(2)
    with pytest.raises(InputError, match="predicted label 5 is not one of the 2 classes"):
        matrix.add(torch.tensor([5]), torch.tensor([0]))
    with pytest.raises(InputError, match=r"prediction has shape \(2,\), labels \(1,\)"):
        matrix.add(torch.tensor([0, 0]), torch.tensor([0]))


def brute_trimap(labels: Tensor, width: int) -> Tensor:
    height, columns = labels.shape
    change = set()
    for row in range(height):
        for column in range(columns):
            for r, c in ((row + 1, column), (row, column + 1)):
                pair = {int(labels[row, column]), int(labels[r, c])} if r < height and c < columns else set()
                if len(pair) == 2 and 255 not in pair:
                    change |= {(row, column), (r, c)}
    band = torch.zeros_like(labels, dtype=torch.bool)
    for row in range(height):
        for column in range(columns):
            near = any(abs(row - r) <= width and abs(column - c) <= width for r, c in change)
            band[row, column] = near and labels[row, column] != 255
    return band


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**16), width=st.integers(0, 3), block=st.integers(1, 4), height=st.integers(1, 9))
def test_trimap_equals_brute_force(seed: int, width: int, block: int, height: int) -> None:
    coarse = random_labels(seed, (3, 4), num_classes=3)
    labels = coarse.repeat_interleave(block, 0).repeat_interleave(block, 1)[:height]
    labels = labels.masked_fill(labels == 2, 255)
    assert torch.equal(trimap(labels, width), brute_trimap(labels, width))


def test_no_boundary_no_band() -> None:
    assert not trimap(torch.zeros(5, 5, dtype=torch.long)).any()
    assert not trimap(torch.tensor([[0, 255, 1]])).any()


def test_pair_shares_by_hand() -> None:
    embedding = torch.tensor([[[[0.0, 0.4, 3.0, 3.9]]]])
    counts = count_pairs(embedding, torch.tensor([[[0, 0, 1, 1]]]), Window(3))
    assert counts == PairCounts(same=4, same_right=2, different=2, different_right=2)
    assert (counts.same_share, counts.different_share) == (0.5, 1.0)
    assert (counts + counts).same == 8
    assert math.isnan(PairCounts(0, 0, 0, 0).same_share)
