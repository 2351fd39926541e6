"""The operations at home in PyTorch: compiled, exported, under autocast, on any number of threads, at any size."""

import io
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from crispseg import Window, ops
from crispseg.nn import Affinity, EmbeddingLoss, LocalFilter
from crispseg.ops import implementations
from tests.marks import needs_tracing, not_traced
from tests.ops.served import SERVERS, Server, served_by

pytestmark = not_traced

WINDOW = Window(5)


class Sharpening(nn.Module):
    """Every operation with a gradient, in one network."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Conv2d(3, 8, 1)
        self.affinity = Affinity(WINDOW, 2.0, learned=True)
        self.score_weight = nn.Parameter(torch.tensor(0.5))
        self.filter = LocalFilter(WINDOW, passes=3)
        self.loss = EmbeddingLoss(WINDOW, balance="parity")

    def forward(self, image: Tensor, scores: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.project(image)
        contours = ops.affinity(ops.local_contour(image[:, :1].sigmoid(), WINDOW), 5.0)
        scored = ops.affinity_weights(embedding, WINDOW, 2.0, scores=scores, score_weight=self.score_weight)
        sharp = self.filter(scores, self.affinity(embedding) * contours + scored)
        spread = ops.local_distance(embedding, WINDOW, stride=2).nan_to_num(posinf=0.0).mean()
        return sharp, self.loss(embedding, labels) + spread


def example(height: int = 12, width: int = 9) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, height, width, generator=rng)
    scores = torch.randn(2, 4, height, width, generator=rng)
    return image, scores, torch.randint(0, 3, (2, height, width), generator=rng)


def outputs_and_gradients(network: nn.Module, model: Callable[..., Any], arguments: tuple[Tensor, ...]) -> list[Tensor]:
    sharp, loss = model(*arguments)
    network.zero_grad()
    (sharp.square().mean() + loss).backward()
    return [sharp, loss, *(p.grad for p in network.parameters() if p.grad is not None)]


@pytest.fixture
def network() -> Iterator[Sharpening]:
    torch.manual_seed(0)
    yield Sharpening()
    torch.compiler.reset()


@needs_tracing
@pytest.mark.parametrize("dynamic", [False, True])
def test_compiles_as_one_graph_with_gradients(network: Sharpening, dynamic: bool) -> None:
    compiled = torch.compile(network, backend="aot_eager", fullgraph=True, dynamic=dynamic)
    for size in ((12, 9), (7, 10)):
        expected = outputs_and_gradients(network, network, example(*size))
        assert len(expected) == 6
        torch.testing.assert_close(outputs_and_gradients(network, compiled, example(*size)), expected)


@needs_tracing
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # PyTorch 2.11's own use of it
def test_compiles_to_machine_code(network: Sharpening) -> None:
    compiled = torch.compile(network, fullgraph=True)
    expected = outputs_and_gradients(network, network, example())
    torch.testing.assert_close(outputs_and_gradients(network, compiled, example()), expected)


@needs_tracing
@pytest.mark.filterwarnings("ignore:The given buffer is not writable")  # PyTorch 2.11's own reading of the file
def test_exports_saves_and_loads(network: Sharpening) -> None:
    sizes = {2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    shapes = (sizes, sizes, {1: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO})
    exported = torch.export.export(network, example(), dynamic_shapes=shapes)
    file = io.BytesIO()
    torch.export.save(exported, file)
    file.seek(0)
    loaded = torch.export.load(file).module()
    torch.testing.assert_close(loaded(*example(8, 11)), network(*example(8, 11)))


def test_runs_under_autocast(network: Sharpening) -> None:
    exact = outputs_and_gradients(network, network, example())
    with torch.autocast("cpu", torch.bfloat16):
        sharp, loss = network(*example())
        assert network.project(example()[0]).dtype == torch.bfloat16
    assert sharp.dtype == torch.float32
    torch.testing.assert_close(sharp, exact[0], rtol=0.05, atol=0.05)
    torch.testing.assert_close(loss, exact[1], rtol=0.05, atol=0.05)
    (sharp.mean() + loss).backward()


def test_maps_of_two_dtypes_are_filtered() -> None:
    _, scores, _ = example()
    weights = torch.rand(2, WINDOW.count, 12, 9)
    expected = ops.local_filter(scores, weights, WINDOW)
    half = ops.local_filter(scores, weights.bfloat16(), WINDOW)
    assert half.dtype == torch.float32
    torch.testing.assert_close(half, expected, rtol=0.02, atol=0.02)
    assert ops.local_filter(scores.half(), weights, WINDOW).dtype == torch.float16
    side_by_side = weights.bfloat16().contiguous(memory_format=torch.channels_last)
    assert torch.equal(ops.local_filter(scores, side_by_side, WINDOW), half)


def test_scores_of_another_dtype_and_layout_are_compared() -> None:
    embedding, scores, _ = example()
    for one, other in (
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float64),
        (torch.float16, torch.bfloat16),
    ):
        near, given = embedding.to(one), scores.to(other)
        expected = ops.affinity_weights(torch.cat([near.double(), 0.5 * given.double()], 1), WINDOW, 2.0)
        for form in (torch.contiguous_format, torch.channels_last):
            for layout in (torch.contiguous_format, torch.channels_last):
                leaves = near.contiguous(memory_format=form), given.contiguous(memory_format=layout).requires_grad_()
                found = ops.affinity_weights(leaves[0], WINDOW, 2.0, scores=leaves[1], score_weight=0.5)
                assert found.dtype == one
                tolerance = {torch.float32: 1e-5, torch.bfloat16: 4e-3, torch.float16: 1e-3}[one]
                torch.testing.assert_close(found.double(), expected.detach(), rtol=tolerance, atol=tolerance)
                (gradient,) = torch.autograd.grad(found.sum(), leaves[1])
                assert gradient.dtype == other


def test_no_scores_no_channel_and_no_weight_are_the_same() -> None:
    embedding, scores, _ = example()
    plain = ops.affinity_weights(embedding, WINDOW, 2.0)
    for given, weight in ((None, 0.5), (scores, 0.0), (scores[:, :0], 0.5), (scores, torch.tensor(0.0))):
        assert torch.equal(ops.affinity_weights(embedding, WINDOW, 2.0, scores=given, score_weight=weight), plain)


def test_scores_without_a_channel_give_weights_no_gradient() -> None:
    weights = torch.rand(1, WINDOW.count, 3, 4, requires_grad=True)
    filtered = ops.local_filter(torch.rand(1, 0, 3, 4), weights, WINDOW)
    assert filtered.shape == (1, 0, 3, 4)
    (found,) = torch.autograd.grad(filtered.sum(), weights)
    assert torch.equal(found, torch.zeros_like(weights))


def test_saved_scores_may_come_back_in_another_layout() -> None:
    """As from `torch.autograd.graph.save_on_cpu`, which keeps no strides."""
    _, scores, _ = example()
    leaves = (scores.requires_grad_(), torch.rand(2, WINDOW.count, 12, 9).requires_grad_())
    expected = torch.autograd.grad(ops.local_filter(*leaves, WINDOW, passes=3).square().sum(), leaves)
    with torch.autograd.graph.saved_tensors_hooks(lambda x: x.contiguous(), lambda x: x):
        filtered = ops.local_filter(*leaves, WINDOW, passes=3)
    for one, two in zip(torch.autograd.grad(filtered.square().sum(), leaves), expected, strict=True):
        assert torch.equal(one, two)


def test_scores_learn_alone_and_nothing_of_the_passes_is_kept() -> None:
    _, scores, _ = example()
    weights = torch.rand(2, WINDOW.count, 12, 9)
    kept: list[int] = []

    def keep(x: Tensor) -> Tensor:
        kept.append(x.numel())
        return x

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
        alone = ops.local_filter(scores.requires_grad_(), weights, WINDOW, passes=11)
    assert sum(kept) < weights.numel() + scores.numel()
    both = ops.local_filter(scores, weights.requires_grad_(), WINDOW, passes=11)
    (one,), (two,) = (torch.autograd.grad(x.square().sum(), scores) for x in (alone, both))
    torch.testing.assert_close(one, two)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("server", SERVERS, ids=str)
def test_gradients_of_many_passes_are_gathered_in_parts(server: Server, normalize: bool) -> None:
    _, scores, _ = example(9, 7)
    window = Window(3) if server.interpreted else WINDOW
    weights = torch.rand(2, window.count, 9, 7) / window.count
    found = []
    for other in (server, SERVERS[0]):
        leaves = [x.to(server.device).detach().requires_grad_() for x in (scores, weights)]
        with served_by(other):
            result = ops.local_filter(leaves[0], leaves[1], window, passes=19, normalize=normalize)
            found.append(torch.autograd.grad(result.square().sum(), leaves))
    for one, two in zip(*found, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5 * float(two.abs().max()))


def test_every_number_of_threads_gives_the_same_bits(network: Sharpening) -> None:
    """Kernels take sums in an order that does not depend on threads, and more threads than rows are no harm.

    Where references serve, the order is PyTorch's, which does depend on them.
    """
    tolerance = 0.0 if implementations.serving("cpu").module == "cpu" else None
    image, scores, labels = example(150, 70)
    embedding = network.project(image).detach()
    results = []
    before = torch.get_num_threads()
    for threads in (1, 2, 7):
        torch.set_num_threads(threads)
        try:
            leaf = embedding.clone().requires_grad_()
            hardness = torch.tensor(2.0, requires_grad=True)
            weights = ops.affinity_weights(leaf, WINDOW, hardness)
            sharp = ops.local_filter(scores, weights, WINDOW, passes=2)
            loss = ops.embedding_loss(leaf, labels, WINDOW)
            results.append((sharp, loss, *torch.autograd.grad(sharp.square().sum() + loss, (leaf, hardness))))
        finally:
            torch.set_num_threads(before)
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=tolerance, atol=tolerance)


def far_apart(x: Tensor, dim: int) -> Tensor:
    """The same values with more than 2^31 elements from the first to the last along a dimension; memory is not touched
    in between."""
    step = 2**31 // (x.shape[dim] - 1) + 8
    strides = list(x.contiguous().stride())
    strides[dim] = step
    room = torch.empty(step * (x.shape[dim] - 1) + x.numel(), dtype=x.dtype, device=x.device)
    return room.as_strided(x.shape, strides).copy_(x)


@pytest.mark.parametrize("server", [s for s in SERVERS if not s.interpreted], ids=str)
def test_addresses_beyond_two_to_the_31(server: Server) -> None:
    window = Window(3)
    _, scores, labels = (x.to(server.device) for x in example(3, 4))
    embedding, weights = scores.bfloat16(), torch.rand(2, 9, 3, 4, device=server.device).bfloat16()
    calls: list[tuple[Callable[..., Tensor], Tensor]] = [
        (lambda x: ops.local_distance(x, window), embedding),
        (lambda x: ops.affinity_weights(x, window, 2.0), embedding),
        (lambda x: ops.affinity_weights(embedding, window, 2.0, scores=x, score_weight=0.5), embedding),
        (lambda x: ops.local_filter(x, weights, window, passes=2), embedding),
        (lambda x: ops.local_filter(embedding, x, window, passes=2), weights),
        (lambda x: ops.embedding_loss(x, labels, window), embedding),
        (lambda x: ops.local_contour(x[:, :1], window), embedding),
    ]
    with served_by(server):
        for call, near in calls:
            for dim in (1, 2):
                far = far_apart(near, dim)
                assert torch.equal(call(far), call(near))
                (there,) = torch.autograd.grad(call(far.requires_grad_()).nan_to_num(posinf=0).sum(), far)
                leaf = near.clone().requires_grad_()
                (here,) = torch.autograd.grad(call(leaf).nan_to_num(posinf=0).sum(), leaf)
                assert torch.equal(there, here)
