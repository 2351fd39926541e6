"""The modules hold options and parameters, and call the operations."""

from typing import Any

import pytest
import torch

from crispseg import InputError, Window, ops
from crispseg.nn import Affinity, EmbeddingLoss, LocalFilter

EMBEDDING = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(0))


def test_affinity_is_the_operation_with_its_hardness() -> None:
    module = Affinity(Window(3), 2.5, norm=2)
    expected = ops.affinity_weights(EMBEDDING, Window(3), 2.5, norm=2)
    torch.testing.assert_close(module(EMBEDDING), expected)
    assert not list(module.parameters())


def test_a_fixed_hardness_is_saved_with_the_module() -> None:
    module = Affinity(Window(3), 2.5)
    other = Affinity(Window(3), 9.0)
    other.load_state_dict(module.state_dict())
    assert other.hardness.item() == pytest.approx(2.5)


def test_a_learned_hardness_moves_and_stays_positive() -> None:
    module = Affinity(Window(3), 0.5, learned=True)
    optimizer = torch.optim.SGD(module.parameters(), lr=50.0)
    for _ in range(5):
        optimizer.zero_grad()
        (-module(EMBEDDING).sum()).backward()  # asks for an ever smaller hardness
        optimizer.step()
    assert 0 < module.hardness.item() < 0.5


def test_a_learned_hardness_has_the_gradient_of_finite_differences() -> None:
    embedding = EMBEDDING.double()
    module = Affinity(Window(3), 0.7, learned=True).double()

    def total(log_hardness: torch.Tensor) -> Any:
        return torch.func.functional_call(module, {"log_hardness": log_hardness}, (embedding,)).sum()

    start = module.log_hardness.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(total, (start,))


@pytest.mark.parametrize("hardness", [0.0, -1.0, float("inf"), float("nan")])
def test_a_hardness_that_is_not_positive_is_refused(hardness: float) -> None:
    with pytest.raises(InputError, match="hardness is"):
        Affinity(Window(3), hardness)


def test_local_filter_is_the_operation_with_its_options() -> None:
    weights = Affinity(Window(3), 1.0)(EMBEDDING)
    for normalize in (True, False):
        module = LocalFilter(Window(3), passes=3, normalize=normalize)
        expected = ops.local_filter(EMBEDDING, weights, Window(3), passes=3, normalize=normalize)
        assert torch.equal(module(EMBEDDING, weights), expected)
    with pytest.raises(InputError, match="passes is 0"):
        LocalFilter(Window(3), passes=0)


@pytest.mark.parametrize("learned", [True, False])
def test_half_precision_rounds_the_embedding_alone(learned: bool) -> None:
    exact, half = (Affinity(Window(3), 7.3, learned=learned, score_weight=0.7) for _ in range(2))
    half.to(torch.bfloat16)
    assert torch.equal(half.hardness, exact.hardness)
    assert torch.equal(torch.as_tensor(half.score_weight), torch.as_tensor(exact.score_weight))
    given = EMBEDDING.bfloat16()
    torch.testing.assert_close(half(given, scores=given), exact(given, scores=given))


def test_embedding_loss_is_the_operation_with_its_options() -> None:
    labels = torch.randint(0, 2, (2, 6, 5))
    options = {
        "near": 0.1, "far": 3.0, "norm": 2, "stride": 2, "ignore_index": 1, "balance": "parity", "reduction": "sum",
    }  # fmt: skip
    module = EmbeddingLoss(Window(5), **options)  # type: ignore[arg-type]
    expected = ops.embedding_loss(EMBEDDING, labels, Window(5), **options)  # type: ignore[arg-type]
    assert torch.equal(module(EMBEDDING, labels), expected)


def test_the_loss_separates_a_learned_embedding() -> None:
    labels = torch.zeros(1, 8, 8, dtype=torch.long)
    labels[..., 4:] = 1
    embedding = torch.zeros(1, 4, 8, 8).normal_(std=0.1, generator=torch.Generator().manual_seed(0)).requires_grad_()
    loss = EmbeddingLoss(Window(3), balance="parity")
    optimizer = torch.optim.Adam([embedding], lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        loss(embedding, labels).backward()
        optimizer.step()
    assert loss(embedding, labels).item() < 0.01
