"""Every network is saved and loaded in one way."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from crispseg import InputError
from crispseg.models import HED, DeepLabLargeFOV, DeepLabMSc, EmbeddingNet
from crispseg.models.embedding_net import load_embedding_net
from crispseg.models.network import Network
from crispseg.models.saving import load_network, save_network, saved_network
from crispseg.models.state import load_metadata
from crispseg.pretrained import weights_path


@pytest.mark.parametrize(
    "network",
    [
        EmbeddingNet(dim=6, pool="3x3", rgb=True, bias=True),
        HED(merged=True),
        DeepLabLargeFOV(num_classes=3),
        DeepLabMSc(num_classes=2),
    ],
    ids=lambda network: type(network).__name__,
)
def test_what_is_saved_is_what_is_loaded(network: Network, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_network(network, path, steps="3")
    loaded = load_network(path, type(network))
    assert saved_network(path) == type(network).__name__
    assert load_metadata(path)["steps"] == "3"
    assert not loaded.training
    assert loaded.arguments == network.arguments
    image = torch.rand(1, 3, 9, 10)
    assert torch.equal(loaded(image), network.eval()(image))
    assert all(parameter.requires_grad for parameter in loaded.parameters())


def test_loading_draws_no_random_numbers(tmp_path: Path) -> None:
    save_network(EmbeddingNet(dim=2), tmp_path / "net.safetensors")
    torch.manual_seed(0)
    load_network(tmp_path / "net.safetensors", EmbeddingNet)
    drawn = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(drawn, torch.rand(1))


def old_file(folder: Path) -> Path:
    """Return a file of the time when there was one network, which does not say what it holds."""
    path = folder / "old.safetensors"
    torch.manual_seed(0)
    save_file(EmbeddingNet().state_dict(), path)
    return path


def test_a_file_of_another_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "hed.safetensors"
    save_network(HED(), path)
    with pytest.raises(InputError, match="holds an HED; expected an EmbeddingNet"):
        load_embedding_net(path)
    with pytest.raises(InputError, match="holds an HED; expected a DeepLabLargeFOV or a DeepLabMSc"):
        load_network(path, DeepLabLargeFOV, DeepLabMSc)
    old = old_file(tmp_path)
    with pytest.raises(InputError, match="does not hold a network that crispseg saved; expected an HED"):
        load_network(old, HED)
    assert saved_network(old) is None


@pytest.mark.parametrize(
    "arguments", ["{", "[1]", '{"dim": 0}', '{"depth": 3}', '{"dim": "wide"}', '{"pool": "4x4"}', '"dim"']
)
def test_arguments_that_make_no_network_are_refused(arguments: str, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save_file(EmbeddingNet(dim=2).state_dict(), path, metadata={"network": "EmbeddingNet", "arguments": arguments})
    with pytest.raises(InputError, match="does not describe an EmbeddingNet"):
        load_network(path, EmbeddingNet)


def test_weights_that_do_not_fit_the_arguments_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    metadata = {"network": "EmbeddingNet", "arguments": json.dumps({"dim": 4096})}
    save_file(EmbeddingNet(dim=2).state_dict(), path, metadata=metadata)
    with pytest.raises(InputError, match=r"fuse.weight is \(2, 640, 1, 1\); expected shape \(4096, 640, 1, 1\)"):
        load_network(path, EmbeddingNet)


def test_a_network_starts_from_the_file_of_another_as_far_as_it_fits(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old = old_file(tmp_path)
    shipped = load_file(old)
    same = EmbeddingNet(init=old).state_dict()
    assert all(torch.equal(same[name], value) for name, value in shipped.items())
    assert not caplog.records
    other = EmbeddingNet(dim=8, init=old).state_dict()
    assert torch.equal(other["conv3_1.weight"], shipped["conv3_1.weight"])
    assert torch.equal(other["mean"], shipped["mean"])
    assert caplog.messages == [f"weights {old}: no fitting fuse; started at random"]
    save_network(HED(), tmp_path / "hed.safetensors")
    with pytest.raises(InputError, match="nothing in it fits EmbeddingNet"):
        EmbeddingNet(init=tmp_path / "hed.safetensors")
    save_file(shipped | {"fuse.weight": torch.full((64, 640, 1, 1), torch.inf)}, tmp_path / "inf.safetensors")
    with pytest.raises(InputError, match=r"fuse\.weight holds NaN or infinity"):
        EmbeddingNet(init=tmp_path / "inf.safetensors")


def test_half_precision_weights_make_a_network_of_full_precision(tmp_path: Path) -> None:
    network = EmbeddingNet(dim=2)
    save_network(network.half(), tmp_path / "net.safetensors")
    loaded = load_embedding_net(tmp_path / "net.safetensors")
    assert {value.dtype for value in loaded.state_dict().values()} == {torch.float32}


def test_a_file_without_a_description_gives_its_own_weights(tmp_path: Path) -> None:
    state = load_file(old_file(tmp_path))
    loaded = load_embedding_net(old_file(tmp_path)).state_dict()
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[name], value) for name, value in state.items())


@pytest.mark.parametrize(("name", "stride", "part"), [("fast", 2, ""), ("best", 1, "fine.")])
def test_a_network_starts_from_weights_that_ship_by_their_name(
    name: str, stride: int, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where no clone of the repository is
    network = EmbeddingNet(dim=32, width=32, stride=stride, colours=True, init=name)
    assert torch.equal(network.fuse.weight, load_file(weights_path(name))[f"{part}fuse.weight"])
    with pytest.raises(InputError, match=r"init fasst: no such file; expected .* random, vgg16, fast, best"):
        EmbeddingNet(init="fasst")
