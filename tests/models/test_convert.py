"""A converted network gives what Caffe gives, on RGB in [0, 1] instead of BGR less its mean."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from crispseg import InputError
from crispseg.models import HED, DeepLabLargeFOV, DeepLabMSc, EmbeddingNet
from crispseg.models.caffemodel import read_caffemodel
from crispseg.models.convert import convert
from crispseg.models.embedding_net import load_embedding_net
from crispseg.models.saving import save_network
from tests.models import caffe


def image(height: int, width: int) -> Tensor:
    return torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(height))


def assert_near(found: Tensor, expected: Tensor) -> None:
    """Float32 against doubles: within a ten-thousandth of the spread of the values."""
    assert found.shape == expected.shape
    assert expected.std() > 0
    assert (found - expected).abs().max() < 1e-4 * expected.std()


@pytest.fixture(scope="module")
def msc_blobs() -> caffe.Blobs:
    """A multi-scale DeepLab of three classes."""
    return caffe.deeplab_blobs(3, multi_scale=True)


def without_branches(blobs: caffe.Blobs) -> caffe.Blobs:
    return {name: values for name, values in blobs.items() if not name.startswith(("data_", "pool"))}


@pytest.mark.parametrize("size", [(33, 41), (30, 23)])
def test_embedding(size: tuple[int, int]) -> None:
    blobs = caffe.embedding_blobs(dim=16)
    network = convert(blobs, "embedding")
    assert isinstance(network, EmbeddingNet)
    made = {"dim": 16, "width": 64, "pool": "3x3", "rgb": True, "bias": True, "stride": 1, "colours": False}
    assert network.arguments == made
    with torch.no_grad():
        assert_near(network(image(*size)), caffe.embedding(blobs, image(*size)))


@pytest.mark.parametrize("old", [True, False], ids=["layers", "layer"])
def test_embedding_from_a_file_and_back(old: bool, tmp_path: Path) -> None:
    blobs = caffe.embedding_blobs()
    (tmp_path / "net.caffemodel").write_bytes(caffe.caffemodel_bytes(blobs, old=old))
    network = convert(read_caffemodel(tmp_path / "net.caffemodel"), "embedding")
    assert isinstance(network, EmbeddingNet)
    save_network(network, tmp_path / "net.safetensors")
    with torch.no_grad():
        found = load_embedding_net(tmp_path / "net.safetensors")(image(21, 17))
    assert_near(found, caffe.embedding(blobs, image(21, 17)))


@pytest.mark.parametrize("size", [(33, 49), (28, 31)])
def test_large_fov(size: tuple[int, int], msc_blobs: caffe.Blobs) -> None:
    blobs = without_branches(msc_blobs)
    network = convert(blobs, "deeplab")
    assert isinstance(network, DeepLabLargeFOV)
    assert network.num_classes == 3
    with torch.no_grad():
        assert_near(network(image(*size)), caffe.deeplab(blobs, image(*size)))


@pytest.mark.parametrize("size", [(33, 49), (28, 31)])
def test_msc(size: tuple[int, int], msc_blobs: caffe.Blobs) -> None:
    network = convert(msc_blobs, "deeplab")
    assert isinstance(network, DeepLabMSc)
    assert not network.training
    with torch.no_grad():
        assert_near(network(image(*size)), caffe.deeplab(msc_blobs, image(*size)))


def test_hed() -> None:
    blobs = caffe.hed_blobs()
    network = convert(blobs, "hed")
    assert isinstance(network, HED)
    with torch.no_grad():
        expected = caffe.hed(blobs, image(23, 30))
        assert_near(network.logits(image(23, 30)), expected)
        torch.testing.assert_close(network(image(23, 30)), expected[:, 5:].sigmoid().float(), rtol=1e-3, atol=1e-3)


def test_each_network_keeps_the_mean_it_was_trained_with(msc_blobs: caffe.Blobs) -> None:
    for blobs, to, bgr_mean in (
        (caffe.hed_blobs(), "hed", (104.00699, 116.66877, 122.67892)),
        (msc_blobs, "deeplab", (104.008, 116.669, 122.675)),
        (caffe.embedding_blobs(), "embedding", (104.008, 116.669, 122.675)),
    ):
        mean = 255 * convert(blobs, to).mean.flip(0)
        torch.testing.assert_close(mean, torch.tensor(bgr_mean), rtol=1e-6, atol=0)


def test_layers_that_do_not_make_the_network_are_named(msc_blobs: caffe.Blobs) -> None:
    embedding = caffe.embedding_blobs(dim=4)
    for blobs, to, message in (
        (embedding, "deeplab", "0 layers named fc8…; expected one"),
        (msc_blobs | {"fc8_coco": msc_blobs["fc8_voc12"]}, "deeplab", "2 layers named fc8…; expected one"),
        (msc_blobs, "embedding", "no layer weighted_avg; expected the layers of EmbeddingNet"),
        (without_branches(msc_blobs) | {"pool3_ms": msc_blobs["pool3_ms"]}, "deeplab", "no layer data_conv, data_fc"),
        (embedding | {"conv3_2": [], "ip": []}, "embedding", "layer conv3_2, ip has no place in EmbeddingNet"),
        (embedding | {"conv1_1": embedding["conv1_1"][:1]}, "embedding", "layer conv1_1 has 1 blobs; expected weights"),
        (
            embedding | {"conv1_2": embedding["conv1_1"]},
            "embedding",
            r"of the caffemodel: conv1_2.weight is \(64, 3, 3, 3\); expected shape \(64, 64, 3, 3\)",
        ),
        (
            embedding | {"weighted_avg": [torch.zeros(4, 640, 1, 1), torch.zeros(4)]},
            "embedding",
            r"weighted_avg.weight is \(4, 640, 1, 1\); expected shape \(4, 643, 1, 1\)",
        ),
        (
            embedding | {"weighted_avg": [torch.tensor(1.0), torch.zeros(4)]},
            "embedding",
            r"weighted_avg.weight is \(\)",
        ),
        (
            embedding | {"weighted_avg": [torch.zeros(10**12, 643, 0, 1), torch.zeros(4)]},
            "embedding",
            r"weighted_avg.weight is \(1000000000000, 643, 0, 1\)",
        ),
        (embedding | {"weighted_avg": []}, "embedding", "layer weighted_avg has 0 blobs"),
        (
            embedding | {"conv1_2": [embedding["conv1_2"][0], torch.full((64,), torch.nan)]},
            "embedding",
            "conv1_2.bias holds NaN",
        ),
        (embedding, "resnet", "to is 'resnet'; expected one of 'deeplab', 'embedding', 'hed'"),
    ):
        with pytest.raises(InputError, match=message):
            convert(blobs, to)


def test_an_upsampling_of_hed_that_is_not_bilinear_is_refused() -> None:
    blobs = {name: values for name, values in caffe.hed_blobs().items() if name.startswith("upsample")}
    for values, message in (
        ([2 * blobs["upsample_8"][0]], "layer upsample_8 is not bilinear upsampling by 8"),
        ([blobs["upsample_4"][0]], "layer upsample_8 is not bilinear upsampling by 8"),
        ([blobs["upsample_8"][0], torch.ones(1)], "layer upsample_8 adds a bias"),
        (None, "no layer upsample_8"),
    ):
        others = {name: blob for name, blob in blobs.items() if name != "upsample_8"}
        with pytest.raises(InputError, match=message):
            convert(others if values is None else others | {"upsample_8": values}, "hed")
