"""HED: its maps lie where the authors' deconvolutions and crops put them."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crispseg.models import HED

SIZE = (20, 37)


@pytest.fixture(scope="module")
def network() -> HED:
    """With side outputs that show."""
    torch.manual_seed(0)
    network = HED()
    for value in network.sides.parameters():
        torch.nn.init.normal_(value, std=0.02)
    torch.nn.init.normal_(network.fuse.weight)
    return network


def tent(size: int) -> Tensor:
    """A square of bilinear weights, as a Caffe filler makes them."""
    half = (size + 1) // 2
    centre = (2 * half - 1 - half % 2) / (2 * half)
    line = 1 - (torch.arange(size) / half - centre).abs()
    return line[:, None] * line


def by_deconvolution(network: HED, image: Tensor) -> Tensor:
    """The six maps as the authors' layers make them: padding of 35, pooling, deconvolution, crop by coordinates."""
    x = (image - network.mean[:, None, None]) / network.std[:, None, None]
    state = network.state_dict()
    sides = []
    blocks = ((1, 2, 34), (2, 2, 35), (3, 3, 36), (4, 3, 38), (5, 3, 42))  # layers, and where the image starts
    for block, layers, start in blocks:
        if block > 1:
            x = F.max_pool2d(F.pad(x, (0, x.shape[-1] % 2, 0, x.shape[-2] % 2), value=-torch.inf), 2)
        for layer in range(1, layers + 1):
            name = f"trunk.conv{block}_{layer}"
            padding = 35 if name.endswith("1_1") else 1
            x = F.relu(F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=padding))
        side = f"sides.conv{block}_{layers}"
        scores = F.conv2d(x, state[f"{side}.weight"], state[f"{side}.bias"])
        stride = 2 ** (block - 1)
        if block > 1:
            scores = F.conv_transpose2d(scores, tent(2 * stride)[None, None], stride=stride)
        sides.append(scores[..., start : start + image.shape[-2], start : start + image.shape[-1]])
    fused = F.conv2d(torch.cat(sides, 1), state["fuse.weight"], state["fuse.bias"])
    return torch.cat([*sides, fused], 1)


@pytest.mark.parametrize("size", [SIZE, (1, 1), (16, 33)])
def test_the_maps_are_those_of_cropped_deconvolutions(network: HED, size: tuple[int, int]) -> None:
    image = torch.rand(1, 3, *size)
    with torch.no_grad():
        expected = by_deconvolution(network, image)
        found = network.logits(image)
    assert expected.shape == (1, 6, *size)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
    if size == SIZE:
        assert all(channel.std() > 1e-3 for channel in expected[0])


def test_the_probability_is_that_of_the_fusion_or_the_mean_of_all(network: HED) -> None:
    image = torch.rand(2, 3, *SIZE)
    merged = HED(merged=True)
    merged.load_state_dict(network.state_dict())
    with torch.no_grad():
        logits = network.logits(image)
        assert network(image).shape == (2, 1, *SIZE)
        torch.testing.assert_close(network(image)[:, 0], logits[:, 5].sigmoid())
        torch.testing.assert_close(merged(image)[:, 0], logits.sigmoid().mean(1))


def test_it_starts_undecided_with_a_fusion_of_a_fifth_each() -> None:
    network = HED()
    assert network(torch.rand(1, 3, 8, 8)).unique().tolist() == [0.5]
    assert network.fuse.weight.flatten().tolist() == pytest.approx([0.2] * 5)


def test_a_gradient_reaches_every_parameter(network: HED) -> None:
    network.zero_grad()
    network.logits(torch.rand(1, 3, 9, 9)).square().sum().backward()
    assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []
