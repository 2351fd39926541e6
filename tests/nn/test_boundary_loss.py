"""The balanced loss of boundaries, against loops over pixels."""

import math

import pytest
import torch
from torch import Tensor

from crispseg import InputError
from crispseg.nn import BoundaryLoss


def by_loops(logits: Tensor, labels: Tensor) -> float:
    total = 0.0
    for image, truth in zip(logits.double(), labels, strict=True):
        ones, zeros = int((truth == 1).sum()), int((truth == 0).sum())
        for scores in image:
            for value, label in zip(scores.flatten().tolist(), truth.flatten().tolist(), strict=True):
                probability = 1 / (1 + math.exp(-value))
                if label == 1:
                    total -= zeros / (ones + zeros) * math.log(probability)
                elif label == 0:
                    total -= ones / (ones + zeros) * math.log(1 - probability)
    return total / len(logits)


def draw(seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(3, 6, 7, 5, generator=rng)
    labels = (torch.rand(3, 7, 5, generator=rng) < 0.2).long()
    labels[0, :2] = 255
    labels[1, 3] = -1
    labels[2, 2] = 2
    return logits, labels


def test_it_is_the_sum_over_pixels_and_maps_of_the_balanced_cross_entropy() -> None:
    logits, labels = draw()
    assert BoundaryLoss()(logits, labels).item() == pytest.approx(by_loops(logits, labels), rel=1e-5)


def test_images_do_not_share_their_balance() -> None:
    logits, labels = draw()
    each = [BoundaryLoss()(logits[i : i + 1], labels[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(BoundaryLoss()(logits, labels), torch.stack(each).mean())


def test_pixels_that_are_neither_have_no_gradient() -> None:
    logits, labels = draw()
    logits.requires_grad_()
    BoundaryLoss()(logits, labels).backward()
    assert logits.grad is not None
    known = ((labels == 0) | (labels == 1))[:, None].expand_as(logits)
    assert not logits.grad[~known].any()
    assert logits.grad[known].all()


def test_the_gradient_is_that_of_finite_differences() -> None:
    logits, labels = draw()
    assert torch.autograd.gradcheck(BoundaryLoss(), (logits[:, :2].double().requires_grad_(), labels))


@pytest.mark.parametrize("label", [0, 1, 255])
def test_an_image_of_one_kind_costs_nothing(label: int) -> None:
    loss = BoundaryLoss()(torch.randn(1, 6, 4, 4), torch.full((1, 4, 4), label))
    assert loss.item() == 0


def test_half_precision_is_summed_in_full() -> None:
    logits = torch.full((1, 1, 400, 400), 2.0, dtype=torch.float16)
    labels = torch.zeros(1, 400, 400, dtype=torch.long)
    labels[:, :200] = 1
    loss = BoundaryLoss()(logits, labels)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(40_000 * (2 * math.log(1 + math.exp(-2)) + 2), rel=1e-4)


def test_no_images_cost_nothing() -> None:
    assert BoundaryLoss()(torch.zeros(0, 6, 4, 4), torch.zeros(0, 4, 4, dtype=torch.long)).item() == 0


def test_what_does_not_fit_is_refused() -> None:
    logits, labels = draw()
    with pytest.raises(InputError, match=r"logits has \(N, H, W\)"):
        BoundaryLoss()(logits, labels[:, 1:])
    with pytest.raises(TypeError, match=r"labels are torch\.float32; expected an integer dtype"):
        BoundaryLoss()(logits, labels.float())
