"""Operations with kernels of their own where no gradient is recorded, against whole float64 tensors."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg import ops
from crispseg.window import Window
from tests.marks import not_traced
from tests.ops import oracle
from tests.ops.served import Server, server
from tests.ops.threads import with_threads

pytestmark = not_traced

__all__ = ["server"]

TOLERANCES = {torch.float32: 3e-5, torch.float64: 1e-12, torch.bfloat16: 3e-2}

# (N, C, H, W), D, window, passes: past kGroup, kChannels, tiles, walks and bands; the sixth stores its weights.
FILTERED = [
    ((2, 1, 1, 1), 2, Window(5), 3),
    ((1, 3, 2, 7), 1, Window(5, 16), 2),
    ((1, 11, 37, 41), 6, Window(5, 4), 4),
    ((2, 25, 9, 50), 3, Window(7, 2), 3),
    ((1, 2, 70, 17), 20, Window(3), 17),
    ((1, 49, 5, 40), 2, Window(5), 2),
    ((1, 4, 3, 900), 30, Window(5, 8), 4),
]
SMALL = [((1, 2, 5, 6), 2, Window(3), 2)]


def _cases(server: Server) -> list[tuple[tuple[int, int, int, int], int, Window, int]]:
    return FILTERED if server.module == "cpu" else SMALL


def _on_threads(call: Callable[[], Tensor]) -> Tensor:
    """The result on one thread; the same bits on three."""
    with with_threads(1):
        one = call()
    with with_threads(3):
        assert torch.equal(call(), one)
    return one


@pytest.mark.parametrize("dtype", TOLERANCES, ids="affinity_filter-{}".format)
def test_a_filter_that_makes_its_weights_is_one_that_is_given_them(server: Server, dtype: torch.dtype) -> None:
    rng = torch.Generator().manual_seed(0)
    for shape, channels, window, passes in _cases(server):
        for norm in (1, 2):
            values, scores = (torch.rand(shape, generator=rng, dtype=torch.float64).to(dtype) for _ in range(2))
            embedding = (torch.rand(shape[0], channels, *shape[2:], generator=rng).double() / channels).to(dtype)
            compared = torch.cat([embedding, 0.5 * scores / shape[1]], 1).double()
            weights = oracle.affinity_weights(compared, torch.tensor(2.0).double(), window, norm=norm)
            expected = oracle.local_filter(values.double(), weights, window, passes=passes)
            filter = partial(ops.affinity_filter, passes=passes, norm=norm, score_weight=0.5 / shape[1])
            for given in (values, values.contiguous(memory_format=torch.channels_last)):
                on_device = [x.to(server.device) for x in (given, embedding, scores)]
                call = partial(filter, *on_device[:2], window, 2.0, scores=on_device[2])
                found = _on_threads(call) if server.module == "cpu" else call()
                assert found.dtype == dtype
                torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=TOLERANCES[dtype])


def test_a_feature_that_is_not_finite_shows_in_the_values(server: Server) -> None:
    embedding = torch.zeros(1, 2, 5, 6)
    embedding[0, 1, 2, 3], embedding[0, 0, 4, 0] = torch.inf, torch.nan
    found = ops.affinity_filter(torch.ones(1, 1, 5, 6), embedding, 3, 1.0)
    weights = ops.affinity_weights(embedding, 3, 1.0)
    assert torch.equal(found.isnan(), ops.local_filter(torch.ones(1, 1, 5, 6), weights, 3).isnan())
    assert found[0, 0, 2, 3].isnan()
    assert found[0, 0, 0, 0] == 1


def _guarded(before: Tensor, after: Tensor, guard: float, radii: list[int], keep_thin: float) -> Tensor:
    """As the definition has it, each sum by itself, and each diamond."""
    labels = before.argmax(1).where(before.amax(1) > 0, -1)
    after = torch.where(_thin(labels).unsqueeze(1), after + keep_thin * (before - after), after)
    abundance = torch.ones_like(after)
    for radius in radii:
        around = F.avg_pool2d(F.pad(before.flatten(1, -3), [radius] * 4), 2 * radius + 1, 1, divisor_override=1)
        mean = (around.reshape(before.shape) + after) / ((2 * radius + 1) ** 2 + 1)
        abundance = abundance * mean ** (1 / len(radii))
    abundance = torch.maximum(abundance, after / 8)
    kept = (after / abundance**guard) ** (1 / (1 - guard))
    return kept / kept.sum(1, keepdim=True) * after.sum(1, keepdim=True)


def _thin(labels: Tensor) -> Tensor:
    """Whether pixels of (..., H, W) labels lie in no diamond of one label; pixels of -1 have any."""
    height, width = labels.shape[-2:]
    steps = [(i, j) for i in range(-2, 3) for j in range(-2, 3) if abs(i) + abs(j) <= 2]
    thin = torch.ones_like(labels, dtype=torch.bool)
    for y in range(height):
        for x in range(width):
            near = [(y + i, x + j) for i, j in steps if 0 <= y + i < height and 0 <= x + j < width]
            there = torch.stack([labels[..., i, j] for i, j in near])
            whole = ((there == labels[..., y, x]) | (there < 0)).all(0) & (labels[..., y, x] >= 0)
            for i, j in near:
                thin[..., i, j] &= ~whole
    return thin


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids="rebalance-{}".format)
def test_shares_are_rebalanced_by_the_abundance_around_a_pixel(server: Server, dtype: torch.dtype) -> None:
    """Past kWide, kBand and a block of rows in rebalance.cpp, and with a square larger than the map."""
    rng = torch.Generator().manual_seed(0)
    for shape, radii, keep_thin in (
        ((2, 3, 18, 70), [4, 1], 0.4),
        ((1, 2, 1, 1), [0], 1),
        ((1, 3, 21, 200), [8], 0.4),
        ((1, 5, 3, 130), [2, 9], 0),
        ((2, 2, 3, 6, 7), [2], 0.7),
    ):
        logits = F.avg_pool2d(torch.randn(2, *shape, generator=rng, dtype=torch.float64).flatten(0, -3), 5, 1, 2)
        before, after = (40 * logits).reshape(2, *shape).softmax(2) * 2.0**96
        before[..., 1:3, 20:50] = 0  # as of pixels without data
        one, other = (x.to(server.device, dtype) for x in (before, after))
        expected = _guarded(before, after, 0.2, radii, keep_thin)
        for given in (one, one.transpose(-1, -2).contiguous().transpose(-1, -2)):
            found = _on_threads(partial(ops.rebalance, given, other, 0.2, radii, keep_thin=keep_thin))
            assert found.dtype == dtype
            torch.testing.assert_close(found.cpu().double(), expected, rtol=TOLERANCES[dtype], atol=0)


def test_traces_of_a_label_that_is_nowhere_around_do_not_win(server: Server) -> None:
    before = torch.stack([torch.ones(80, 80), torch.zeros(80, 80)])[None].to(server.device)
    after = before.lerp(before.flip(1), 0.01)
    for radii in ([30], [30, 10]):
        assert (ops.rebalance(before, after, 0.5, radii)[:, 1] < 0.1).all()


def test_what_is_recorded_has_its_gradients() -> None:
    rng = torch.Generator().manual_seed(0)
    values, embedding = (torch.rand(1, 2, 2, 3, generator=rng, dtype=torch.float64) for _ in range(2))
    leaves = values.requires_grad_(), embedding.requires_grad_()
    assert torch.autograd.gradcheck(lambda v, e: ops.affinity_filter(v, e, 3, 1.5, passes=2, norm=2), leaves)
    assert torch.autograd.gradcheck(lambda b, a: ops.rebalance(b, a, 0.2, [2, 1], keep_thin=0.4), leaves)
