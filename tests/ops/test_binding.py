"""Nothing that Python can hand to the compiled kernels makes them read or write what is not theirs."""

import importlib
from contextlib import suppress
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.ops.served import SERVERS

LEVELS = [server.level for server in SERVERS if server.level]

# Where no compiler was found there is nothing to test here: the references serve.
pytestmark = pytest.mark.skipif(not LEVELS, reason="the C++ kernels were not built")

DTYPES = [
    torch.float32,
    torch.float64,
    torch.bfloat16,
    torch.float16,
    torch.int32,
    torch.int64,
    torch.bool,
    torch.uint8,
]


@st.composite
def tensors(draw: st.DrawFn) -> Tensor:
    """Any dtype, 2 to 5 dimensions, any small shape, and strides that may overlap."""
    shape = draw(st.lists(st.integers(0, 5), min_size=2, max_size=5))
    made = torch.zeros(shape, dtype=draw(st.sampled_from(DTYPES)))
    form = draw(st.sampled_from(["whole", "transposed", "expanded", "stepped"]))
    if form == "transposed":
        return made.transpose(0, -1)
    if form == "expanded":
        return made.sum(0, keepdim=True).to(made.dtype).expand(draw(st.integers(0, 4)), *shape[1:])
    return made[..., ::2] if form == "stepped" else made


def matching(draw: st.DrawFn, shape: tuple[int, ...]) -> Tensor:
    """Draw valid arguments of the kernel, and now and then invalid ones."""
    if draw(st.integers(0, 5)) == 0:
        return draw(tensors())
    return torch.zeros(shape, dtype=draw(st.sampled_from(DTYPES[:4])))


NUMBERS = st.one_of(st.integers(-3, 9), st.sampled_from([2**31, 2**62, -(2**62)]))


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """A kernel and arguments of the right kinds, whose values may be anything."""
    batch, channels, height, width = (draw(st.integers(0, 4)) for _ in range(4))
    size, dilation, stride = draw(NUMBERS), draw(NUMBERS), draw(NUMBERS)
    norm, threads, passes = draw(NUMBERS), draw(NUMBERS), draw(st.integers(-1, 3))
    small = abs(size) < 10 and 0 < abs(stride) < 10
    count = size**2 if small else 1
    grid = (-(-height // stride), -(-width // stride)) if small and stride > 0 else (height, width)
    embedding = matching(draw, (batch, channels, height, width))
    strided, pairs = matching(draw, (batch, count, *grid)), matching(draw, (batch, count, height, width))
    result = matching(draw, (batch, channels, height, width))
    further = matching(draw, (batch, 2, height, width)) if draw(st.booleans()) else None
    boundary, contour = matching(draw, (batch, 1, height, width)), matching(draw, (batch, 1, height, width))
    sums, flag = matching(draw, (batch, 1, height, width)), draw(st.booleans())
    kept = matching(draw, (batch * max(passes + 1, 0), 8 * (channels > 0), height, width))
    states = kept.contiguous(memory_format=torch.channels_last) if flag and kept.ndim == 4 else kept if flag else None
    labels = draw(st.sampled_from([torch.int32, torch.int64, torch.float32]))
    ids = torch.zeros((batch, height, width), dtype=labels) if draw(st.booleans()) else draw(tensors())
    flags = [torch.zeros((batch, count, *grid), dtype=torch.bool) for _ in range(2)]
    real = draw(st.floats())
    coarse = [matching(draw, (batch, channels, 2, 3)) for _ in range(2)]
    axes = [
        draw(st.sampled_from([[0, 0, few, few, full, full], draw(st.lists(NUMBERS, max_size=7))]))
        for few, full in ((2, height), (3, width))
    ]
    loss = [embedding, ids, size, dilation, real, real, norm, stride, flag, flag, threads]
    every: dict[str, list[Any]] = {
        "local_distance": [embedding, size, dilation, norm, stride, threads, strided],
        "local_distance_backward": [strided, embedding, size, dilation, norm, stride, threads, result],
        "affinity_weights": [embedding, further, real, real, size, dilation, norm, flag, threads, pairs],
        "affinity_weights_backward": [
            *(pairs, embedding, further, real, real, size, dilation, norm, threads, result),
            matching(draw, (batch, 2, height, width)) if flag else None,
        ],
        "affinity_filter": [
            *(matching(draw, (batch, 3, height, width)), embedding, further, real, real, size, dilation, norm, passes),
            *(threads, matching(draw, (batch, 3, height, width))),
        ],
        "rebalance": [
            *(embedding, matching(draw, (batch, channels, height, width)), real, real, passes + dilation, passes),
            *(threads, result),
        ],
        "local_filter": [embedding, pairs, size, dilation, passes, flag, threads, result, sums, states],
        "local_filter_backward": [
            *(result, pairs, sums, states, size, dilation, passes, threads),
            matching(draw, (batch, channels, height, width)),
            matching(draw, (batch, count, height, width)) if flag else None,
        ],
        "embedding_loss": loss,
        "embedding_loss_with_gradient": [*loss, result],
        "local_contour": [boundary, size, dilation, threads, pairs],
        "local_contour_backward": [pairs, boundary, size, dilation, threads, contour],
        "joint_upsample": [*coarse, embedding, *axes, real, norm, threads, result],
        "joint_upsample_scores": [
            *(
                *coarse,
                embedding,
                boundary,
                contour,
                *axes,
                real,
                norm,
                flag,
                draw(st.sampled_from([1.0, 2.0**96, real])),
            ),
            *(threads, result),
        ],
        "local_parity": [ids, size, dilation, stride, draw(st.integers(-1, 1)), threads, *flags],
    }
    name = draw(st.sampled_from(sorted(every)))
    return name, every[name]


@pytest.mark.slow  # calls thousands of times
@settings(max_examples=600, deadline=None)
@given(level=st.sampled_from(LEVELS), call=calls())
def test_any_arguments_give_an_answer_or_an_error(level: str, call: tuple[str, list[Any]]) -> None:
    name, arguments = call
    kernels = importlib.import_module("crispseg._C").Kernels(level)
    with suppress(ValueError, TypeError):
        getattr(kernels, name)(*arguments)


def test_refusals_say_what_was_given_and_expected() -> None:
    kernels = importlib.import_module("crispseg._C").Kernels(LEVELS[0])
    embedding = torch.zeros(1, 2, 4, 5)
    with pytest.raises(ValueError, match="distance has 8 elements along dimension 1; expected 9"):
        kernels.local_distance(embedding, 3, 1, 1, 1, 1, torch.zeros(1, 8, 4, 5))
    with pytest.raises(ValueError, match="scores has 3 elements along dimension 2; expected 4"):
        kernels.affinity_weights(
            embedding,
            torch.zeros(1, 2, 3, 5),
            1.0,
            1.0,
            3,
            1,
            1,
            False,  # noqa: FBT003
            1,
            torch.zeros(1, 9, 4, 5),
        )
    with pytest.raises(ValueError, match=r"embedding has shape \(2, 4, 5\); expected 4 dimensions"):
        kernels.local_distance(embedding[0], 3, 1, 1, 1, 1, torch.zeros(1, 9, 4, 5))
    with pytest.raises(ValueError, match="distance has elements that share memory"):
        kernels.local_distance(embedding, 3, 1, 1, 1, 1, torch.zeros(1, 1, 4, 5).expand(1, 9, 4, 5))
    with pytest.raises(ValueError, match="this processor has no level sse"):
        importlib.import_module("crispseg._C").Kernels("sse")
