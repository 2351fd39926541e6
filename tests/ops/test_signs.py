"""Gradients of L1 distances are sums of signs: at their largest, at ties, and at the two zeros."""

import pytest
import torch
from torch import Tensor

from crispseg import Window, ops
from tests.marks import not_traced
from tests.ops.served import SERVERS, Server, served_by, server

pytestmark = not_traced

__all__ = ["server"]

# Kernels of a processor add signs up in narrow integers, kernels of a GPU do not: one window for the interpreter.
WINDOWS = [
    pytest.param(server, window, id=f"{server}-{window}")
    for server in SERVERS
    for window in (Window(9), Window(11), Window(13), Window(9, dilation=2))[: 1 if server.interpreted else 4]
]


def gradient(embedding: Tensor, labels: Tensor, window: Window, stride: int) -> Tensor:
    leaf = embedding.clone().requires_grad_()
    loss = ops.embedding_loss(leaf, labels, window, near=0.5, far=9.0, stride=stride, reduction="sum")
    (result,) = torch.autograd.grad(loss, leaf)
    return result


@pytest.mark.parametrize("different", [False, True], ids=["one label", "two labels"])
@pytest.mark.parametrize("stride", [1, 2, 4])
@pytest.mark.parametrize(("server", "window"), WINDOWS, indirect=["server"])
def test_a_pixel_above_all_its_neighbours(server: Server, window: Window, stride: int, different: bool) -> None:
    """Every pair of the peak pulls it down, or pushes it up: no sum may wrap around."""
    side = 5 if server.interpreted else 29
    embedding = torch.zeros(1, 2, side, side, device=server.device)
    peak = side // 2 // stride * stride
    embedding[:, :, peak, peak] = 1.0
    labels = torch.zeros(1, side, side, dtype=torch.long, device=server.device)
    labels[:, peak, peak] = int(different)
    with served_by(Server("reference")):
        expected = gradient(embedding, labels, window, stride)
    assert expected[0, 0, peak, peak].abs() == expected.abs().max() > 0
    torch.testing.assert_close(gradient(embedding, labels, window, stride), expected)


def test_equal_numbers_pull_nowhere(server: Server) -> None:
    """0 and -0 are equal; another channel keeps the pixels apart."""
    embedding = torch.zeros(1, 2, 5, 20, device=server.device)
    embedding[:, 0, :, ::2] = -0.0
    embedding[:, 1] = torch.arange(20.0, device=server.device)
    labels = torch.zeros(1, 5, 20, dtype=torch.long, device=server.device)
    found = gradient(embedding, labels, Window(3), stride=1)
    assert found[:, 0].count_nonzero() == 0
    assert found[:, 1].count_nonzero() > 0
    for call in (lambda e: ops.local_distance(e, Window(3)), lambda e: ops.affinity_weights(e, Window(3), 0.1)):
        leaf = embedding.clone().requires_grad_()
        weights = torch.arange(900.0, device=server.device).reshape(1, 9, 5, 20)
        (found,) = torch.autograd.grad((call(leaf).nan_to_num(posinf=0) * weights).sum(), leaf)
        assert found[:, 0].count_nonzero() == 0
        assert found[:, 1].count_nonzero() > 0
