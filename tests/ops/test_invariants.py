"""Properties of the operations that hold for any input."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crispseg import ops
from crispseg.window import Window

WINDOWS = st.builds(Window, st.sampled_from([1, 3, 5]), st.integers(1, 3))


@st.composite
def maps(draw: st.DrawFn, channels: int = 3) -> Tensor:
    height, width, seed = draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(st.integers(0, 2**16))
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@settings(max_examples=30, deadline=None)
@given(embedding=maps(), window=WINDOWS, norm=st.sampled_from([1, 2]))
def test_distance_is_symmetric_and_zero_at_the_centre(embedding: Tensor, window: Window, norm: int) -> None:
    distance = ops.local_distance(embedding, window, norm=norm)
    assert distance[:, window.centre].abs().max() == 0
    height, width = embedding.shape[-2:]
    for k, (rows, columns) in enumerate(window.offsets):
        for row in range(max(0, -rows), min(height, height - rows)):
            for column in range(max(0, -columns), min(width, width - columns)):
                there, back = distance[:, k, row, column], distance[:, -1 - k, row + rows, column + columns]
                assert torch.equal(there, back)


@settings(max_examples=30, deadline=None)
@given(embedding=maps(), window=WINDOWS, hardness=st.floats(0.01, 50), passes=st.integers(1, 4))
def test_a_constant_is_a_fixed_point_of_the_filter(
    embedding: Tensor, window: Window, hardness: float, passes: int
) -> None:
    weights = ops.affinity_weights(embedding, window, hardness)
    constant = torch.full_like(embedding[:, :1], 0.7)
    result = ops.local_filter(constant, weights, window, passes=passes)
    torch.testing.assert_close(result, constant)


@settings(max_examples=30, deadline=None)
@given(embedding=maps(), window=WINDOWS, hardness=st.floats(0.01, 50))
def test_the_filter_keeps_probabilities_probabilities(embedding: Tensor, window: Window, hardness: float) -> None:
    probabilities = embedding.flip(-1).softmax(1)
    weights = ops.affinity_weights(embedding, window, hardness)
    result = ops.local_filter(probabilities, weights, window, passes=3)
    torch.testing.assert_close(result.sum(1), torch.ones_like(result.sum(1)))
    assert result.min() >= 0


@settings(max_examples=30, deadline=None)
@given(embedding=maps(), window=WINDOWS)
def test_a_soft_filter_is_a_mean_and_a_hard_one_does_nothing(embedding: Tensor, window: Window) -> None:
    hard = ops.local_filter(embedding, ops.affinity_weights(embedding, window, 1e6), window)
    torch.testing.assert_close(hard, embedding)
    soft = ops.local_filter(embedding, ops.affinity_weights(embedding, window, 1e-9), window)
    inside = torch.isfinite(ops.local_distance(embedding, window)).double()
    torch.testing.assert_close(soft, ops.local_filter(embedding, inside, window), rtol=1e-6, atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(embedding=maps(), seed=st.integers(0, 2**16), window=WINDOWS)
def test_the_loss_does_not_mind_renamed_labels(embedding: Tensor, seed: int, window: Window) -> None:
    rng = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (2, *embedding.shape[-2:]), generator=rng)
    renamed = torch.tensor([7, 1000, 3])[labels]
    assert ops.embedding_loss(embedding, labels, window) == ops.embedding_loss(embedding, renamed, window)
