"""DeepLab: its size, its resolution, its branches, its starts."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file

from crispseg import InputError
from crispseg.models import DeepLabLargeFOV, DeepLabMSc
from crispseg.models.saving import save_network
from tests.models.test_vgg import filled


@pytest.fixture(scope="module")
def msc() -> DeepLabMSc:
    """With last layers that let the scores of every branch be seen."""
    torch.manual_seed(0)
    network = DeepLabMSc(num_classes=3)
    for name, value in network.branches.named_parameters():
        if value.ndim == 4:
            torch.nn.init.normal_(value, std=0.05 if name.endswith("scores.weight") else 0.02)
    return network


def test_the_parameters_are_those_of_the_paper() -> None:
    with torch.device("meta"):
        large, msc = DeepLabLargeFOV(), DeepLabMSc()
    widths = [3, 64, 64, 128, 128, 256, 256, 256, 512, 512, 512, 512, 512, 512]
    vgg = sum(9 * before * after + after for before, after in pairwise(widths))
    large_fov = vgg + (9 * 512 * 1024 + 1024) + (1024 * 1024 + 1024) + (1024 * 21 + 21)
    assert large_fov == 20_505_429
    assert sum(value.numel() for value in large.parameters()) == large_fov
    branches = sum(9 * tap * 128 + 128 + 128 * 128 + 128 + 128 * 21 + 21 for tap in (3, 64, 128, 256, 512))
    assert sum(value.numel() for value in msc.parameters()) == large_fov + branches


@pytest.mark.parametrize(("size", "coarse"), [(321, 41), (513, 65), (100, 14), (161, 21)])
def test_scores_lie_at_an_eighth_of_the_resolution(size: int, coarse: int) -> None:
    with torch.device("meta"):
        image = torch.empty(1, 3, size, 65)
        assert DeepLabLargeFOV(5)(image).shape == (1, 5, coarse, 9)
        network = DeepLabMSc(5)
        assert network.train()(image).shape == (1, 5, coarse, 9)
        assert network.eval()(image).shape == (1, 5, size, 65)


def test_every_training_branch_lies_at_41_pixels_of_321() -> None:
    with torch.device("meta"):
        network = DeepLabMSc()
        maps = network.train().score_maps(torch.empty(1, 3, 321, 321))
        assert {name: tuple(scores.shape) for name, scores in maps.items()} == dict.fromkeys(
            ("fc8", "image", "pool1", "pool2", "pool3", "pool4"), (1, 21, 41, 41)
        )
        maps = network.eval().score_maps(torch.empty(1, 3, 321, 321))
        assert {name: scores.shape[-1] for name, scores in maps.items()} == {
            "fc8": 41, "image": 321, "pool1": 161, "pool2": 81, "pool3": 41, "pool4": 41,
        }  # fmt: skip


def test_the_last_block_and_fc6_are_dilated_and_nothing_else() -> None:
    with torch.device("meta"):
        trunk = DeepLabLargeFOV().trunk
    convolutions = {name: layer for name, layer in trunk.named_modules() if isinstance(layer, torch.nn.Conv2d)}
    assert len(convolutions) == 15
    for name, layer in convolutions.items():
        spread = {"conv5_1": 2, "conv5_2": 2, "conv5_3": 2, "fc6": 12}.get(name, 1)
        assert (layer.dilation, layer.stride) == ((spread, spread), (1, 1))
        assert layer.padding == ((0, 0) if name == "fc7" else (spread, spread))


def test_msc_is_the_sum_of_its_parts(msc: DeepLabMSc) -> None:
    image = torch.rand(2, 3, 30, 41)
    with torch.no_grad():
        maps = msc.eval().score_maps(image)
        sums = sum(
            F.interpolate(scores, size=(30, 41), mode="bilinear", align_corners=True) for scores in maps.values()
        )
        torch.testing.assert_close(msc(image), sums)
        assert len(maps) == 6
        assert all(scores.std() > 1e-4 for scores in maps.values())


def test_a_strided_branch_is_every_nth_pixel_of_the_dense_one(msc: DeepLabMSc) -> None:
    image = torch.rand(1, 3, 33, 49)
    with torch.no_grad():
        dense = msc.eval().score_maps(image)
        msc.training = True  # strided, and without dropout in the parts
        strided = msc.score_maps(image)
    for name, stride in (("image", 8), ("pool1", 4), ("pool2", 2), ("pool3", 1), ("pool4", 1), ("fc8", 1)):
        torch.testing.assert_close(strided[name], dense[name][..., ::stride, ::stride])
        assert strided[name].shape[-2:] == (5, 7)


def test_a_gradient_reaches_every_parameter(msc: DeepLabMSc) -> None:
    for network in (msc.train(), DeepLabLargeFOV(3).train()):
        network.zero_grad()
        network(torch.rand(1, 3, 25, 25)).square().sum().backward()
        assert [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()] == []


def test_dropout_is_for_training_alone(msc: DeepLabMSc) -> None:
    image = torch.rand(1, 3, 17, 17)
    network = DeepLabLargeFOV(3)
    with torch.no_grad():
        for model in (network, msc):
            assert torch.equal(model.eval()(image), model(image))
            assert not torch.equal(model.train()(image), model(image))


def test_the_branches_start_as_they_were_trained() -> None:
    torch.manual_seed(0)
    network = DeepLabMSc()
    for name, deviations in {
        "image": (0.001, 0.001, 0.01), "pool1": (0.001, 0.001, 0.01), "pool2": (0.001, 0.001, 0.01),
        "pool3": (0.001, 0.001, 0), "pool4": (0.001, 0.005, 0.01),
    }.items():  # fmt: skip
        for layer, deviation in zip(("conv", "fc", "scores"), deviations, strict=True):
            weight = network.branches.get_parameter(f"{name}.{layer}.weight")
            assert weight.std().item() == pytest.approx(deviation, rel=0.1)
            assert not network.branches.get_parameter(f"{name}.{layer}.bias").any()
    assert network.fc8.weight.std().item() == pytest.approx(0.01, rel=0.1)


def test_rates_of_training_go_by_these_names(msc: DeepLabMSc) -> None:
    assert {name.split(".")[0] for name, _ in msc.named_parameters()} == {"trunk", "fc8", "branches"}
    assert {name.split(".")[0] for name, _ in DeepLabLargeFOV(2).named_parameters()} == {"trunk", "fc8"}


def test_it_starts_from_vgg_and_says_what_is_missing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_file(filled("conv1_1", "conv1_2"), tmp_path / "vgg.safetensors")
    network = DeepLabLargeFOV(2, init=tmp_path / "vgg.safetensors")
    assert network.trunk.get_parameter("conv1_2.weight").unique().tolist() == [1]
    assert "no fitting conv2_1, conv2_2, conv3_1" in caplog.text


@pytest.mark.slow  # writes and reads hundreds of megabytes
def test_msc_starts_from_a_trained_large_fov(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    trained = DeepLabLargeFOV(4)
    save_network(trained, tmp_path / "large.safetensors")
    same = DeepLabMSc(4, init=tmp_path / "large.safetensors")
    for name, value in trained.state_dict().items():
        assert torch.equal(same.state_dict()[name], value)
    assert (
        "no fitting branches.image.conv, branches.image.fc, branches.image.scores, branches.pool1.conv" in caplog.text
    )
    assert "fc8" not in caplog.text
    caplog.clear()
    other = DeepLabLargeFOV(6, init=tmp_path / "large.safetensors")
    assert torch.equal(other.trunk.get_parameter("fc6.weight"), trained.trunk.get_parameter("fc6.weight"))
    assert "no fitting fc8; started at random" in caplog.text


def test_what_makes_no_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="classes is 0"):
        DeepLabMSc(0)
    with pytest.raises(InputError, match="no such file"):
        DeepLabLargeFOV(init=tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"image has 1 channels; expected \(N, 3, H, W\)"):
        DeepLabLargeFOV(2)(torch.rand(1, 1, 9, 9))
