"""Any classification network of torchvision or timm as an embedding."""

import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from crispseg import InputError, Sharpener, Window
from crispseg.cues import LearnedCue
from crispseg.models import TrunkEmbedding
from crispseg.models.embedding_net import load_embedding_net
from crispseg.models.saving import load_network, save_network

TRUNKS = {
    "torchvision.resnet18": [1, 2, 4, 8],
    "torchvision.vgg11": [1, 2, 4, 8],
    "torchvision.mobilenet_v3_small": [1, 2, 4, 8],
    "torchvision.convnext_tiny": [1, 4, 8],
    "torchvision.regnet_y_400mf": [1, 2, 4, 8],
    "timm.resnet10t": [1, 2, 4, 8],
    "timm.convnext_atto": [1, 4, 8],
    "timm.mobilenetv3_small_050": [1, 2, 4, 8],
}


@pytest.mark.slow  # makes networks of torchvision and timm
@pytest.mark.parametrize("trunk", TRUNKS)
def test_a_trunk_is_saved_and_loaded_by_name_and_gives_what_it_gave(trunk: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = TrunkEmbedding(trunk, dim=4).eval()
    assert list(network.channels) == TRUNKS[trunk]
    image = torch.rand(1, 3, 37, 50)
    embedding = network(image)
    assert embedding.shape == (1, 4, 37, 50)
    assert embedding.std() > 1e-3
    save_network(network, tmp_path / "net.safetensors", steps="3")
    drawn = torch.random.get_rng_state()
    for loaded in (load_network(tmp_path / "net.safetensors"), load_embedding_net(tmp_path / "net.safetensors")):
        assert isinstance(loaded, TrunkEmbedding)
        assert loaded.arguments == {"trunk": trunk, "dim": 4, "deepest": 8}
        assert torch.equal(loaded(image), embedding)
    assert torch.equal(torch.random.get_rng_state(), drawn)


def test_every_map_has_its_say_and_the_sum_is_by_hand() -> None:
    torch.manual_seed(0)
    network = TrunkEmbedding("torchvision.resnet18", dim=5, deepest=4).eval()
    image = torch.rand(1, 3, 32, 48)
    x = (image - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    half = network.trunk.relu(network.trunk.bn1(network.trunk.conv1(x)))  # type: ignore[operator]
    maps = network.trunk(x)
    torch.testing.assert_close(maps["2"], half)
    double = nn.Upsample(scale_factor=2, mode="bilinear")
    mixed = double(network.mix["4"](maps["4"])) + network.mix["2"](maps["2"])
    mixed = double(mixed) + network.mix["1"](network.detail(x).relu())
    torch.testing.assert_close(network(image) * 5, mixed, rtol=1e-4, atol=1e-5)


def test_it_is_a_cue_whose_parts_join() -> None:
    torch.manual_seed(0)
    cue = LearnedCue(TrunkEmbedding("torchvision.resnet18", dim=4).eval())
    assert (cue.channels, cue.step, cue.reach) == (4, 8, None)
    crisp = Sharpener(cue, window=Window(3), passes=2)(torch.rand(1, 3, 21, 30), torch.randn(1, 2, 6, 8))
    assert crisp.shape == (1, 2, 21, 30)
    assert torch.isfinite(crisp).all()


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_it_starts_from_a_file_of_the_library(library: str, tmp_path: Path) -> None:
    import timm  # noqa: PLC0415 - slow, and of this test alone
    import torchvision  # noqa: PLC0415 - likewise

    torch.manual_seed(0)
    made = torchvision.models.resnet18() if library == "torchvision" else timm.create_model("resnet18")
    save_file(made.state_dict(), tmp_path / "trunk.safetensors")
    network = TrunkEmbedding(f"{library}.resnet18", dim=4, init=tmp_path / "trunk.safetensors")
    own = network.trunk.state_dict()
    assert len(own) > 50
    assert all(torch.equal(value, made.state_dict()[name]) for name, value in own.items())
    save_file({"other": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"other\.safetensors.*(conv1|fit)"):
        TrunkEmbedding(f"{library}.resnet18", init=tmp_path / "other.safetensors")


def test_it_starts_from_its_own_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    network = TrunkEmbedding("torchvision.resnet18", dim=4)
    save_network(network, tmp_path / "net.safetensors")
    again = TrunkEmbedding("torchvision.resnet18", dim=4, init=tmp_path / "net.safetensors")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())
    assert not caplog.records
    TrunkEmbedding("torchvision.resnet18", dim=8, init=tmp_path / "net.safetensors")
    assert "no fitting mix.1, mix.2, mix.4, mix.8; started at random" in caplog.text


def test_imagenet_is_taken_of_the_cache_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision  # noqa: PLC0415 - slow, and of this test alone

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(InputError, match=r"resnet18-\w+\.pth does not exist; download https://"):
        TrunkEmbedding("torchvision.resnet18", init="imagenet")
    name = torchvision.models.ResNet18_Weights.DEFAULT.url.rpartition("/")[2]
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    made = torchvision.models.resnet18()
    torch.save(made.state_dict(), tmp_path / "hub" / "checkpoints" / name)
    network = TrunkEmbedding("torchvision.resnet18", init="imagenet")
    assert torch.equal(network.trunk.state_dict()["conv1.weight"], made.state_dict()["conv1.weight"])
    with pytest.raises(InputError, match=r"timm.resnet18 are not in a cache; give a safetensors file"):
        TrunkEmbedding("timm.resnet18", init="imagenet")


@pytest.mark.parametrize(
    ("trunk", "message"),
    [
        ("resnet18", "trunk is 'resnet18'; expected .*torchvision.resnet18 or timm.resnet18"),
        ("torchvision.resnet19", "torchvision has no such network; expected"),
        ("timm.hf-hub:someone/net", "timm has no such network; expected"),
        ("os.system", "trunk is 'os.system'; expected"),
        ("torchvision.vit_b_16", "cannot give feature maps|gives maps of strides"),
        ("torchvision.swin_t", r"gives maps of strides \[4\] up to 8"),
        ("timm.vit_tiny_patch16_224", "cannot give feature maps|gives maps of strides"),
    ],
)
def test_what_is_no_trunk_is_refused(trunk: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        TrunkEmbedding(trunk)
    assert "\n" not in str(caught.value)


def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(InputError, match=r"trunks of timm: .*pip install 'crispseg\[timm\]'"):
        TrunkEmbedding("timm.resnet18")
