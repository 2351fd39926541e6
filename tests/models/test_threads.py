"""Networks that several threads use at the same time, each with an image of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from crispseg.models import HED, CrispNet, DeepLabLargeFOV, DeepLabMSc, EmbeddingNet
from crispseg.models.deeplab import Branch
from crispseg.nn import Affinity, LocalFilter, SegmentationAware, SegmentationAwareConv2d, segmentation_aware
from crispseg.window import Window


class Meeting(nn.Module):
    """A layer in which as many threads wait for each other."""

    def __init__(self, threads: int) -> None:
        super().__init__()
        self.threads = threading.Barrier(threads, timeout=30)

    def forward(self, x: Tensor) -> Tensor:
        self.threads.wait()
        return x


def together(*calls: Callable[[], Any]) -> list[Any]:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(timeout=60) for future in [pool.submit(call) for call in calls]]


def aware_network() -> SegmentationAware:
    torch.manual_seed(0)
    layers = nn.Conv2d(3, 4, 3, padding=1), nn.Identity(), nn.Conv2d(4, 2, 3, padding=1), nn.Identity()
    return segmentation_aware(nn.Sequential(*layers), nn.Conv2d(3, 5, 1), hardness=2.0)


def test_each_thread_has_the_embedding_of_its_own_image() -> None:
    aware, images = aware_network(), [torch.rand(1, 3, 9, 9) for _ in range(2)]
    with torch.no_grad():
        alone = [aware(image) for image in images]
    for place in ("0", "2", "4"):  # before the first aware convolution, between the two, and behind both
        aware = aware_network()
        layers = list(aware.network.children())
        aware.network = nn.Sequential(*layers[: int(place)], Meeting(2), *layers[int(place) :])
        found = together(*(partial(aware, image) for image in images))
        for one, two in zip(found, alone, strict=True):
            assert torch.equal(one, two)


def test_a_branch_has_the_stride_of_its_own_call() -> None:
    branch, x = Branch(3, 2, (0.1, 0.1, 0.1)).eval(), torch.rand(1, 3, 8, 8)
    with torch.no_grad():
        alone = [branch(x, stride) for stride in (1, 2)]
    meeting = Meeting(2)

    def meet(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        meeting(given[0])

    branch.conv.register_forward_pre_hook(meet)
    found = together(*(partial(branch, x, stride) for stride in (1, 2)))
    assert [tuple(one.shape) for one in found] == [(1, 2, 8, 8), (1, 2, 4, 4)]
    for one, two in zip(found, alone, strict=True):
        assert torch.equal(one, two)


def crisp_net() -> CrispNet:
    window = Window(3)
    parts = EmbeddingNet(dim=4), Affinity(window, 5.0, learned=True), LocalFilter(window, passes=2)
    return CrispNet(DeepLabLargeFOV(num_classes=2), *parts)


def aware_deeplab() -> SegmentationAware:
    network = DeepLabMSc(num_classes=2)
    return segmentation_aware(network, nn.Identity(), choose=lambda name: name.startswith("branches"))


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "DeepLabMSc": lambda: DeepLabMSc(num_classes=2),
    "EmbeddingNet": lambda: EmbeddingNet(dim=4),
    "HED": HED,
    "CrispNet": crisp_net,
    "SegmentationAware": aware_network,
    "SegmentationAware of a DeepLab": aware_deeplab,
}


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NETWORKS)
def test_a_call_changes_nothing_of_a_network(monkeypatch: pytest.MonkeyPatch, name: str, training: bool) -> None:
    network = NETWORKS[name]().train(training)

    def refuse(module: nn.Module, attribute: str, value: object) -> None:
        raise AssertionError(f"{type(module).__name__}.{attribute} is set during forward")

    with monkeypatch.context() as patched:
        patched.setattr(nn.Module, "__setattr__", refuse)
        network(torch.rand(1, 3, 33, 33))


def test_a_network_inside_another_has_its_own_embedding() -> None:
    inner = aware_network()
    convolution = SegmentationAwareConv2d(2, 2, 3, hardness=2.0)
    outer = SegmentationAware(nn.Sequential(inner, convolution), nn.AvgPool2d(3, 1, 1))
    image = torch.rand(1, 3, 9, 9)
    with torch.no_grad():
        torch.testing.assert_close(outer(image), convolution(inner(image), outer.embedding(image)))


def test_it_may_be_checkpointed_as_a_whole() -> None:
    aware, image = aware_network(), torch.rand(1, 3, 9, 9, requires_grad=True)
    (expected,) = torch.autograd.grad(aware(image).square().sum(), image)
    output = checkpoint(aware, image, use_reentrant=False)
    (found,) = torch.autograd.grad(output.square().sum(), image)
    torch.testing.assert_close(found, expected)


@pytest.mark.slow  # traces
def test_it_compiles_as_one_graph() -> None:
    aware, image = aware_network(), torch.rand(1, 3, 9, 9)
    try:
        compiled = torch.compile(aware, backend="aot_eager", fullgraph=True)
        torch.testing.assert_close(compiled(image), aware(image))
    finally:
        torch.compiler.reset()
