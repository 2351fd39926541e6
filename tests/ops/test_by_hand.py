"""Every operation on a 3×3 image, worked out by hand: truth that needs no other code."""

import math

import pytest
import torch

from crispseg import ops
from crispseg.window import Window

IMAGE = torch.tensor([[[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 9.0]]]])

INF = math.inf


@pytest.mark.parametrize("norm", [1, 2])
def test_local_distance_of_the_middle_and_of_a_corner(norm: int) -> None:
    distance = ops.local_distance(IMAGE, Window(3), norm=norm)
    assert distance[0, :, 1, 1].tolist() == [4, 3, 2, 1, 0, 1, 2, 3, 5]
    assert distance[0, :, 2, 2].tolist() == [5, 4, INF, 2, 0, INF, INF, INF, INF]


def test_local_distance_norms_differ_with_two_channels() -> None:
    embedding = torch.tensor([[[[0.0, 3.0]], [[0.0, 4.0]]]])
    assert ops.local_distance(embedding, Window(3), norm=1)[0, 5, 0, 0] == 7
    assert ops.local_distance(embedding, Window(3), norm=2)[0, 5, 0, 0] == 5


def test_local_distance_stride_takes_every_second_centre() -> None:
    distance = ops.local_distance(IMAGE, Window(3), stride=2)
    assert distance.shape == (1, 9, 2, 2)
    assert distance[0, :, 1, 1].tolist() == [5, 4, INF, 2, 0, INF, INF, INF, INF]


def test_local_distance_dilation_spreads_the_neighbours() -> None:
    distance = ops.local_distance(IMAGE, Window(3, dilation=2))
    assert distance[0, :, 0, 0].tolist() == [INF, INF, INF, INF, 0, 2, INF, 6, 9]


def test_gradient_of_distance_zero_is_zero() -> None:
    for norm in (1, 2):
        embedding = torch.ones(1, 2, 2, 2, requires_grad=True)
        distance = ops.local_distance(embedding, Window(3), norm=norm)
        distance[torch.isfinite(distance)].sum().backward()
        assert embedding.grad is not None
        assert embedding.grad.abs().max() == 0


def test_local_parity_with_an_ignored_pixel() -> None:
    labels = torch.tensor([[[1, 1, 2], [1, 1, 2], [255, 2, 2]]])
    parity, valid = ops.local_parity(labels, Window(3))
    assert parity[0, :, 1, 1].tolist() == [True, True, False, True, False, False, False, False, False]
    assert valid[0, :, 1, 1].tolist() == [True, True, True, True, False, True, False, True, True]
    assert not valid[0, :, 2, 0].any()


def test_local_contour_takes_the_largest_value_on_the_line() -> None:
    boundary = torch.tensor([[[[0.1, 0.2, 0.3], [0.4, 0.9, 0.6], [0.7, 0.8, 0.5]]]])
    contour = ops.local_contour(boundary, Window(5))[0].reshape(5, 5, 3, 3)
    # From the upper left pixel: itself, one to the right, two to the right; down right by way of the middle.
    assert contour[2, 2:, 0, 0].tolist() == pytest.approx([0.0, 0.2, 0.3])
    assert contour[4, 4, 0, 0].item() == pytest.approx(0.9)
    # Down two and right one: half a pixel right after one step, which goes right, through the middle.
    assert contour[4, 3, 0, 0].item() == pytest.approx(0.9)
    assert contour[0, 1, 2, 1].item() == pytest.approx(0.9)  # and the same line from its other end
    assert contour[1, 2, 0, 0].item() == INF


def test_gradient_of_a_contour_goes_to_the_first_largest_pixel_from_the_neighbour() -> None:
    boundary = torch.tensor([[[[0.5, 0.5, 0.2]]]], requires_grad=True)
    ops.local_contour(boundary, Window(5))[0, 14, 0, 0].backward()  # two to the right of the left pixel
    assert boundary.grad is not None
    assert boundary.grad.tolist() == [[[[0.0, 1.0, 0.0]]]]


def test_affinity() -> None:
    weights = ops.affinity(torch.tensor([[[[0.0, 0.5, INF]]]]), 2.0)
    assert weights.flatten().tolist() == pytest.approx([1.0, math.exp(-1), 0.0])


def test_gradient_to_the_hardness_is_minus_distance_times_weight() -> None:
    hardness = torch.tensor(2.0, requires_grad=True)
    ops.affinity(torch.tensor([[[[0.0, 0.5, INF]]]]), hardness).sum().backward()
    assert hardness.grad is not None
    assert hardness.grad.item() == pytest.approx(-0.5 * math.exp(-1))


def test_neighbours_with_other_scores_are_farther() -> None:
    embedding, scores = torch.tensor([[[[0.0, 3.0]]]]), torch.tensor([[[[0.0, 2.0]]]])
    along = ops.affinity_weights(embedding, 3, 0.1, scores=scores, score_weight=2.0)
    across = ops.affinity_weights(embedding, 3, 0.1, norm=2, scores=scores, score_weight=2.0)
    assert along[0, 5, 0, 0].item() == pytest.approx(math.exp(-0.1 * (3 + 2 * 2)))
    assert across[0, 5, 0, 0].item() == pytest.approx(math.exp(-0.1 * 5))  # a triangle of 3 and 4


def test_gradient_to_the_score_weight_is_minus_hardness_times_distance_times_weight() -> None:
    weight = torch.tensor(2.0, requires_grad=True)
    embedding, scores = torch.tensor([[[[0.0, 3.0]]]]), torch.tensor([[[[0.5, 2.0]]]])
    ops.affinity_weights(embedding, 3, 0.1, scores=scores, score_weight=weight)[0, 5, 0, 0].backward()
    assert weight.grad is not None
    assert weight.grad.item() == pytest.approx(-0.1 * 1.5 * math.exp(-0.1 * (3 + 2 * 1.5)))


def test_local_filter_averages_what_the_weights_allow() -> None:
    weights = torch.zeros(1, 9, 3, 3)
    weights[:, 4] = 1.0
    weights[0, 5, 1, 1] = 3.0
    result = ops.local_filter(IMAGE, weights, Window(3))
    expected = IMAGE.clone()
    expected[0, 0, 1, 1] = (4.0 + 3 * 5.0) / 4
    torch.testing.assert_close(result, expected)
    expected[0, 0, 1, 1] = 4.0 + 3 * 5.0
    torch.testing.assert_close(ops.local_filter(IMAGE, weights, Window(3), normalize=False), expected)


def test_local_filter_repeats_with_the_same_weights() -> None:
    scores = torch.tensor([[[[0.0, 4.0]]]])
    once = ops.local_filter(scores, torch.ones(1, 9, 1, 2), Window(3))
    assert once.tolist() == [[[[2.0, 2.0]]]]
    weights = torch.zeros(1, 9, 1, 2)
    weights[0, 4], weights[0, 5] = 1.0, 1.0
    twice = ops.local_filter(scores, weights, Window(3), passes=2)
    assert twice.tolist() == [[[[3.0, 4.0]]]]


def test_a_pixel_without_weight_becomes_zero() -> None:
    assert ops.local_filter(IMAGE, torch.zeros(1, 9, 3, 3), Window(3)).abs().max() == 0


def test_embedding_loss_of_three_pixels() -> None:
    embedding = torch.tensor([[[[0.0, 1.0, 1.5]]]])
    labels = torch.tensor([[[0, 0, 1]]])
    # Pairs, each from both sides: same label at distance 1 costs 0.5; different labels at distance 0.5 cost 1.5.
    assert ops.embedding_loss(embedding, labels, Window(3)) == pytest.approx(1.0)
    assert ops.embedding_loss(embedding, labels, Window(3), reduction="sum") == pytest.approx(4.0)


def test_embedding_loss_balance() -> None:
    embedding = torch.tensor([[[[0.0, 1.0, 2.0, 2.5]]]])
    labels = torch.tensor([[[0, 0, 0, 1]]])
    # Two pairs of one label cost 0.5 each, one pair of two labels costs 1.5.
    assert ops.embedding_loss(embedding, labels, Window(3)) == pytest.approx((0.5 + 0.5 + 1.5) / 3)
    assert ops.embedding_loss(embedding, labels, Window(3), balance="parity") == pytest.approx((0.5 + 1.5) / 2)


def test_embedding_loss_without_pairs_is_zero_and_has_a_gradient() -> None:
    embedding = torch.randn(1, 2, 3, 3, requires_grad=True)
    loss = ops.embedding_loss(embedding, torch.full((1, 3, 3), 255), Window(3))
    loss.backward()
    assert loss == 0
    assert embedding.grad is not None
    assert embedding.grad.abs().max() == 0
