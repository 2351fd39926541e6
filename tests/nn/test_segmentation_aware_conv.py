"""Segmentation-aware convolutions against a loop over pixels, and in the place of plain ones."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn
from torchvision.models import resnet18

from crispseg import InputError
from crispseg.models import DeepLabMSc
from crispseg.nn import SegmentationAware, SegmentationAwareConv2d, segmentation_aware


def slow(convolution: SegmentationAwareConv2d, x: Tensor, embedding: Tensor) -> Tensor:
    """Pixel by pixel, tap by tap; one group."""
    size, stride, dilation = convolution.kernel_size[0], convolution.stride[0], convolution.dilation[0]
    height, width = x.shape[-2:]
    hardness = convolution.affinity.hardness.item()
    rows = []
    for y in range(0, height, stride):
        row = []
        for c in range(0, width, stride):
            taps = []
            for i in range(size):
                for j in range(size):
                    ty, tx = y + (i - size // 2) * dilation, c + (j - size // 2) * dilation
                    if 0 <= ty < height and 0 <= tx < width:
                        distance = (embedding[0, :, y, c] - embedding[0, :, ty, tx]).abs().sum()
                        taps.append((torch.exp(-hardness * distance), convolution.weight[..., i, j] @ x[0, :, ty, tx]))
            mean = sum(weight for weight, _ in taps) / len(taps) if convolution.normalize else 1.0
            total = torch.stack([weight / mean * response for weight, response in taps]).sum(0)
            row.append(total if convolution.bias is None else total + convolution.bias)
        rows.append(torch.stack(row, -1))
    return torch.stack(rows, -2)[None]


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize(("size", "stride", "dilation"), [(3, 1, 1), (3, 2, 2), (5, 1, 1), (1, 1, 1)])
def test_it_is_what_its_definition_says(size: int, stride: int, dilation: int, normalize: bool) -> None:
    torch.manual_seed(0)
    convolution = SegmentationAwareConv2d(
        3, 2, size, stride, dilation=dilation, hardness=0.7, normalize=normalize
    ).double()
    x, embedding = torch.randn(1, 3, 7, 6).double(), torch.randn(1, 4, 7, 6).double()
    torch.testing.assert_close(convolution(x, embedding), slow(convolution, x, embedding), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_among_equals_it_is_a_plain_convolution(groups: int, normalize: bool) -> None:
    torch.manual_seed(0)
    plain = nn.Conv2d(4, 6, 3, stride=2, padding=2, dilation=2, groups=groups)
    aware = SegmentationAwareConv2d(4, 6, 3, 2, dilation=2, groups=groups, normalize=normalize)
    aware.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(2, 4, 9, 11)
    torch.testing.assert_close(aware(x, torch.ones(2, 3, 9, 11)), plain(x))


def test_every_gradient_is_right() -> None:
    torch.manual_seed(0)
    convolution = SegmentationAwareConv2d(2, 2, 3, hardness=0.5, normalize=True).double()
    x, embedding = (torch.randn(1, 2, 4, 5, dtype=torch.float64, requires_grad=True) for _ in range(2))
    assert torch.autograd.gradcheck(convolution, (x, embedding))
    convolution(x, embedding).square().sum().backward()
    for name, parameter in convolution.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_the_embedding_may_have_another_resolution() -> None:
    torch.manual_seed(0)
    convolution = SegmentationAwareConv2d(2, 3, 3)
    x, embedding = torch.randn(1, 2, 6, 8), torch.randn(1, 4, 12, 16)
    small = F.interpolate(embedding, (6, 8), mode="bilinear", align_corners=False)
    torch.testing.assert_close(convolution(x, embedding), convolution(x, small))


def test_a_whole_network_becomes_aware_and_keeps_its_weights() -> None:
    torch.manual_seed(0)
    network = resnet18(weights=None).eval()
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        expected = network(image)
        kernel = network.conv1.weight
        aware = segmentation_aware(network, nn.Identity(), hardness=1e-6).eval()
        torch.testing.assert_close(aware(image), expected, rtol=1e-3, atol=1e-3)
        assert aware.network.get_parameter("conv1.weight") is kernel
        convolutions = [m for m in aware.modules() if isinstance(m, SegmentationAwareConv2d)]
        assert len(convolutions) == 17  # all of 20 but the three 1x1 of the shortcuts
        for convolution in convolutions:
            convolution.affinity.log_hardness.fill_(3.0)
        assert not torch.allclose(aware(image), expected, rtol=1e-3, atol=1e-3)


def test_convolutions_are_chosen_by_name_and_learn() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 2, 3))
    aware = segmentation_aware(network, nn.Conv2d(3, 5, 1), choose=lambda name: name != "0")
    kinds = [type(module) for module in network]
    assert kinds == [nn.Conv2d, SegmentationAwareConv2d, nn.Conv2d]
    output = aware(torch.rand(1, 3, 8, 8))
    assert isinstance(output, Tensor)
    output.sum().backward()
    assert all(parameter.grad is not None for parameter in aware.parameters())


def test_a_convolution_in_two_places_stays_one() -> None:
    shared = nn.Conv2d(3, 3, 3, padding=1)
    aware = segmentation_aware(nn.Sequential(shared, nn.ReLU(), shared), nn.Identity())
    assert aware.network.get_submodule("0") is aware.network.get_submodule("2")
    assert isinstance(aware.network.get_submodule("2"), SegmentationAwareConv2d)


def test_every_convolution_of_deeplab_sees_the_embedding() -> None:
    torch.manual_seed(0)
    aware = segmentation_aware(
        DeepLabMSc(num_classes=2), nn.Identity(), choose=lambda name: name.startswith("branches")
    )
    assert (aware.align_corners, aware.num_classes) == (True, 2)
    image = torch.rand(1, 3, 33, 33)
    output = aware(image)
    assert isinstance(output, Tensor)
    output.square().sum().backward()
    for name, parameter in aware.named_parameters():
        if name.endswith("log_hardness"):
            assert parameter.grad is not None, name


def test_its_options_are_those_of_every_convolution() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 2, 5, padding=2))
    segmentation_aware(network, nn.Identity(), hardness=2.0, learned=False, normalize=True, norm=2)
    for aware in network:
        assert isinstance(aware, SegmentationAwareConv2d)
        assert not aware.affinity.log_hardness.requires_grad
        assert aware.affinity.hardness.item() == pytest.approx(2)
        assert (aware.affinity.norm, aware.normalize) == (2, True)


def test_what_cannot_be_is_said() -> None:
    with pytest.raises(InputError, match="no convolution to replace"):
        segmentation_aware(nn.Conv2d(3, 4, 3, padding=1), nn.Identity())
    with pytest.raises(InputError, match="no convolution to replace"):
        segmentation_aware(nn.Sequential(nn.Conv2d(3, 4, 3)), nn.Identity())
    with pytest.raises(InputError, match="no embedding; give one to forward"):
        SegmentationAwareConv2d(3, 4, 3)(torch.rand(1, 3, 5, 5))
    with pytest.raises(InputError, match="window size is 4"):
        SegmentationAwareConv2d(3, 4, 4)


def test_an_error_inside_the_network_leaves_no_embedding_behind() -> None:
    class Fails(nn.Conv2d):
        def forward(self, input: Tensor) -> Tensor:
            raise RuntimeError("inside")

    network = nn.Sequential(SegmentationAwareConv2d(3, 4, 3), Fails(4, 4, 1))
    with pytest.raises(RuntimeError, match="inside"):
        SegmentationAware(network, nn.Identity())(torch.rand(1, 3, 5, 5))
    with pytest.raises(InputError, match="no embedding"):
        network[0](torch.rand(1, 3, 5, 5))
