"""Sizes past every place where a kernel or a reference cuts its work: values with and without gradients, and these."""

import functools
import itertools
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from crispseg import ops
from crispseg.window import Window
from tests.marks import not_traced
from tests.ops import oracle
from tests.ops.contract import OPERATIONS, Inputs, Operation, cast, on_a_grid
from tests.ops.served import SERVERS, Server, server
from tests.ops.threads import with_threads

pytestmark = not_traced

__all__ = ["server"]


class Seam(NamedTuple):
    """A size that is cut, and by whom."""

    shape: tuple[int, int, int, int]
    window: Window
    operations: tuple[str, ...]
    modules: tuple[str, ...] = ("reference", "cpu")


WALKS = ("local_distance", "affinity_weights", "embedding_loss")
EVERYWHERE = tuple(op.name for op in OPERATIONS)

SEAMS = [
    Seam(
        (1, 2, 129, 5), Window(3), EVERYWHERE
    ),  # kBandRows of geometry.h, kRows of the filter and joint_upsample, kBand
    Seam((1, 2, 131, 5), Window(5, dilation=2), EVERYWHERE),  # each class of rows has two bands
    Seam((1, 3, 4, 530), Window(3), EVERYWHERE),  # kChunk of embedding_loss.cpp; kColumns; kSegment
    Seam((1, 27, 6, 70), Window(11), EVERYWHERE),  # kGroup of pairs.h; kVectors; kTogether
    Seam((1, 500, 3, 200), Window(3), WALKS),  # tiles of columns, which many channels make narrow
    Seam((1, 1200, 3, 150), Window(3), ("local_distance",), ("reference",)),  # _BAND_BYTES
    Seam((1, 18, 5, 27), Window(5), EVERYWHERE, ("triton",)),  # WIDE; blocks of neighbours and of channels
]


def _options(op: Operation, server: Server) -> tuple[dict[str, Any], ...]:
    if server.interpreted:  # slow: two that are unlike each other
        return op.options[:: max(1, len(op.options) - 1)]
    many_passes = op.name == "local_filter" and server.module == "cpu"
    return (*op.options, {"passes": 10, "normalize": True}) if many_passes else op.options  # kKept


CASES = [
    pytest.param(server, op, options, seam, id=f"{op}-{options}-{server}-{seam.shape}-{seam.window}")
    for server in SERVERS
    for seam in SEAMS
    if server.module in seam.modules
    for op in OPERATIONS
    if op.name in seam.operations
    for options in _options(op, server)
]


def drawn(op: Operation, shape: tuple[int, int, int, int], window: Window) -> Inputs:
    """Inputs in float32: in float64 every level of the kernels would be the narrowest."""
    inputs = list(op.draw(torch.Generator().manual_seed(0), shape, window))
    if op.name in WALKS:
        inputs[0] = on_a_grid(inputs[0])
    if op.name == "joint_upsample":
        inputs[1] = inputs[1] / shape[1]
    return cast(tuple(inputs), torch.float32)


@functools.cache
def expected_of(name: str, options: tuple[tuple[str, Any], ...], seam: Seam) -> tuple[Inputs, Tensor, Tensor, Inputs]:
    """Inputs, what becomes of them, a gradient that arrives there and what it becomes."""
    (op,) = (op for op in OPERATIONS if str(op) == name)
    inputs = drawn(op, seam.shape, seam.window)
    exact = tuple(x.double().requires_grad_() if x.is_floating_point() else x for x in inputs)
    result = op.vectorised(*exact, seam.window, **dict(options))
    upstream = torch.rand(result.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64) - 0.4
    leaves = [x for x in exact if x.requires_grad]
    return inputs, result.detach(), upstream, torch.autograd.grad(result, leaves, upstream) if leaves else ()


def assert_near(found: Tensor, expected: Tensor, tolerance: float = 2e-5) -> None:
    scale = float(expected.abs().max()) if expected.numel() else 1.0
    torch.testing.assert_close(found.cpu().double(), expected, rtol=0, atol=tolerance * max(scale, 1e-30))


@pytest.mark.parametrize(("server", "op", "options", "seam"), CASES, indirect=["server"])
def test_values_and_gradients_are_right_past_a_seam(
    server: Server, op: Operation, options: dict[str, Any], seam: Seam
) -> None:
    given, expected, upstream, wanted = expected_of(str(op), tuple(options.items()), seam)
    # PyTorch works out where a coarse pixel falls in the dtype of the features.
    near = functools.partial(assert_near, tolerance=1e-3 if op.name == "joint_upsample" else 2e-5)
    inputs = tuple(x.to(server.device) for x in given)
    near(op.call(*inputs, seam.window, **options), expected)
    if not wanted:
        return
    leaves = tuple(x.clone().requires_grad_(x.is_floating_point()) for x in inputs)
    found = op.call(*leaves, seam.window, **options)
    near(found.detach(), expected)
    gradients = torch.autograd.grad(found, [x for x in leaves if x.requires_grad], upstream.to(found))
    for one, other in zip(gradients, wanted, strict=True):
        near(one, other)


WALKED = [Window(3), Window(5), Window(5, 2), Window(5, 16), Window(9, 3)]


@pytest.mark.parametrize("server", [s for s in SERVERS if s.module == "cpu"], indirect=True, ids=str)
@pytest.mark.parametrize("window", WALKED, ids=str)
@pytest.mark.parametrize("normalize", [True, False])
def test_passes_in_one_walk_are_as_many_single_ones(server: Server, window: Window, normalize: bool) -> None:
    """Past kBandRows of filter_walk.h, and with more passes than fit into its cache; to the bit, on any threads."""
    rng = torch.Generator().manual_seed(0)
    scores = torch.rand(1, 35, 131, 130, generator=rng)
    weights = torch.rand(1, window.count, 131, 130, generator=rng)
    weights = weights if normalize else weights / window.count
    learning = weights.clone().requires_grad_()  # keeps what is between passes
    kept = ops.local_filter(scores, learning, window, passes=11, normalize=normalize)
    side_by_side = weights.contiguous(memory_format=torch.channels_last)
    for laid_out in (weights, side_by_side):
        expected = scores
        for _ in range(11):
            expected = ops.local_filter(expected, laid_out, window, normalize=normalize)
        for threads in (1, 3):
            with with_threads(threads):
                found = ops.local_filter(scores, laid_out, window, passes=11, normalize=normalize)
            assert torch.equal(found, expected)
        torch.testing.assert_close(found, kept, rtol=1e-5, atol=1e-6)
        assert laid_out is weights or torch.equal(found, kept)


# Past kChannels, kPlanes, and the tiles and walks of planar_task.h; below a window, and narrower than a vector.
PLANAR = [
    ((2, 1, 1, 1), Window(5), 3),
    ((1, 3, 2, 7), Window(5, 16), 12),
    ((1, 11, 67, 33), Window(5, 4), 4),
    ((1, 13, 131, 100), Window(3, 2), 7),
    ((1, 25, 19, 701), Window(9), 5),
    ((1, 40, 37, 130), Window(5, 16), 17),
    ((1, 2, 9, 50), Window(7, 40), 2),
]


@pytest.mark.parametrize("server", [s for s in SERVERS if s.module == "cpu"], indirect=True, ids=str)
@pytest.mark.parametrize(("shape", "window", "passes"), PLANAR, ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_weights_in_planes_filter_like_those_side_by_side(
    server: Server, shape: tuple[int, int, int, int], window: Window, passes: int, dtype: torch.dtype
) -> None:
    """Whatever lies outside the image, in either layout of the scores; the same bits on any threads."""
    for normalize in (True, False):
        scores, weights = _in_planes(shape, window, dtype, normalize)
        rounded = torch.bfloat16 if dtype == torch.bfloat16 else torch.float64  # float32 rounds less than it may err
        expected, planes = _by_the_oracle(shape, window, passes, rounded, normalize), _with_nan_outside(weights, window)
        for laid_out in (scores, scores.contiguous(memory_format=torch.channels_last)):
            found = []
            for threads in (1, 3):
                with with_threads(threads):
                    found.append(ops.local_filter(laid_out, planes, window, passes=passes, normalize=normalize))
            assert torch.equal(*found)
            assert_near(found[0], expected, {torch.float32: 2e-5, torch.float64: 1e-12, torch.bfloat16: 1e-2}[dtype])


@functools.cache
def _by_the_oracle(
    shape: tuple[int, int, int, int], window: Window, passes: int, dtype: torch.dtype, normalize: bool
) -> Tensor:
    """The filtered scores, once for all levels of the kernels: the oracle takes hundreds of times as long as they."""
    scores, weights = (x.double() for x in _in_planes(shape, window, dtype, normalize))
    return oracle.local_filter(scores, weights, window, passes=passes, normalize=normalize)


def _in_planes(
    shape: tuple[int, int, int, int], window: Window, dtype: torch.dtype, normalize: bool
) -> tuple[Tensor, Tensor]:
    """Scores and weights."""
    rng = torch.Generator().manual_seed(0)
    scores = torch.rand(*shape, generator=rng, dtype=torch.float64).to(dtype)
    weights = torch.rand(shape[0], window.count, *shape[2:], generator=rng, dtype=torch.float64).to(dtype)
    weights[:, :, ::3, ::2] = 0  # pixels whose weights sum to 0
    return scores, weights if normalize else weights / window.count


def _with_nan_outside(weights: Tensor, window: Window) -> Tensor:
    rows, columns = (torch.arange(n) for n in weights.shape[-2:])
    result = weights.clone()
    for k, (dy, dx) in enumerate(window.offsets):
        outside = [(at + step < 0) | (at + step >= len(at)) for at, step in ((rows, dy), (columns, dx))]
        result[:, k, outside[0][:, None] | outside[1][None, :]] = torch.nan
    return result


@pytest.mark.parametrize("server", [s for s in SERVERS if s.module == "cpu"], indirect=True, ids=str)
def test_a_part_of_an_image_has_the_bits_of_the_whole(server: Server) -> None:
    """Wherever its strips of pixels and its bands start: weights in planes, six passes of two windows."""
    rng = torch.Generator().manual_seed(0)
    scores = torch.rand(1, 11, 90, 151, generator=rng)
    for window in (Window(5), Window(5, 3)):
        weights = torch.rand(1, window.count, 90, 151, generator=rng)
        whole = ops.local_filter(scores, weights, window, passes=6)
        halo, top, left = 6 * window.radius, 1, 5
        part = (..., slice(top, 88), slice(left, 147))
        found = ops.local_filter(scores[part], weights[part], window, passes=6)
        inner = (..., slice(halo, 87 - halo), slice(halo, 142 - halo))
        assert torch.equal(found[inner], whole[part][inner])


LOSSES: list[dict[str, Any]] = [
    {"norm": norm, "balance": balance, "reduction": reduction}
    for norm, balance, reduction in itertools.product((1, 2), ("none", "parity"), ("mean", "sum"))
]


HEIGHTS = (63, 64, 65, 129, 193, 321)

BANDS = [
    pytest.param(server, height, stride, id=f"{server}-{height}-{stride}")
    for server in SERVERS
    for height in (HEIGHTS if server.module == "cpu" else (65, 129))
    for stride in (1, 2, 3)
]


@functools.cache
def losses_of(height: int, window: Window, stride: int) -> tuple[Inputs, list[tuple[Tensor, Tensor]]]:
    """An embedding and labels, and the loss and its gradient for each of `LOSSES`."""
    (op,) = (op for op in OPERATIONS if op.name == "embedding_loss")
    embedding, labels = drawn(op, (1, 2, height, 4), window)
    exact = embedding.double().requires_grad_()
    losses = [oracle.embedding_loss(exact, labels, window, stride=stride, **options) for options in LOSSES]
    return (embedding, labels), [(loss.detach(), torch.autograd.grad(loss, exact)[0]) for loss in losses]


@pytest.mark.parametrize(("server", "height", "stride"), BANDS, indirect=["server"])
def test_the_loss_counts_every_pair_once_whatever_its_band(server: Server, height: int, stride: int) -> None:
    """With and without a gradient, on any number of threads."""
    many = server.module == "cpu"
    for dilation in (1, 2, 3) if many else (1,):
        window = Window(3 if server.interpreted else 5, dilation)
        inputs, expected = losses_of(height, window, stride)
        embedding, labels = (x.to(server.device) for x in inputs)
        leaf = embedding.clone().requires_grad_()
        cases = list(enumerate(zip(LOSSES, expected, strict=True)))
        for number, (options, (value, wanted)) in cases if many else cases[1::5]:
            with with_threads(1 + number % 4):
                plain = ops.embedding_loss(embedding, labels, window, stride=stride, **options)
                learning = ops.embedding_loss(leaf, labels, window, stride=stride, **options)
                (gradient,) = torch.autograd.grad(learning, leaf)
            assert_near(plain, value)
            assert_near(learning.detach(), value)
            assert_near(gradient, wanted)


def test_the_reference_of_joint_upsampling_is_right_past_a_band() -> None:
    """More than _NUMBERS_AT_ONCE; float64 is served by the reference."""
    (op,) = (op for op in OPERATIONS if op.name == "joint_upsample")
    inputs = op.draw(torch.Generator().manual_seed(0), (1, 500, 45, 100), Window(1))
    found = op.call(*inputs, Window(1), norm=1)
    torch.testing.assert_close(found, op.vectorised(*inputs, Window(1), norm=1), rtol=1e-6, atol=1e-6)
