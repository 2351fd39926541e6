"""The embedding network: its shape, its starts, its files."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file, save_file
from torch import Tensor

from crispseg import InputError
from crispseg.cues import LearnedCue
from crispseg.models import EmbeddingNet, TwoScaleEmbedding
from crispseg.models.embedding_net import EMBEDDING_LAYERS, load_embedding_net
from crispseg.models.saving import load_network, save_network
from crispseg.models.vgg import VGG_LAYERS
from crispseg.pretrained import weights_path


def random_vgg() -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(0)
    state = {}
    for name in EMBEDDING_LAYERS:
        inputs, outputs = VGG_LAYERS[name]
        state[f"{name}.weight"] = 0.1 * torch.randn(outputs, inputs, 3, 3, generator=rng)
        state[f"{name}.bias"] = torch.randn(outputs, generator=rng)
    return state


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 9), (16, 20), (31, 45)])
def test_every_pixel_of_every_size_gets_an_embedding(size: tuple[int, int]) -> None:
    assert EmbeddingNet(dim=5)(torch.rand(2, 3, *size)).shape == (2, 5, *size)


def test_the_taps_lie_at_full_half_and_quarter_resolution() -> None:
    _, taps = EmbeddingNet().embed_with_taps(torch.rand(1, 3, 30, 21))
    assert {name: tuple(tap.shape[1:]) for name, tap in taps.items()} == {
        "conv1_1": (64, 30, 21),
        "conv1_2": (64, 30, 21),
        "conv2_1": (128, 15, 11),
        "conv2_2": (128, 15, 11),
        "conv3_1": (256, 8, 6),
    }


def test_mixing_before_upsampling_equals_the_concatenation_of_the_paper() -> None:
    network = EmbeddingNet(dim=6)
    embedding, taps = network.embed_with_taps(torch.rand(1, 3, 22, 18))
    upsampled = [
        F.interpolate(tap, scale_factor=2 ** (int(name[4]) - 1), mode="bilinear")[..., :22, :18]
        for name, tap in taps.items()
    ]
    torch.testing.assert_close(embedding, network.fuse(torch.cat(upsampled, 1)) / 6, rtol=1e-4, atol=1e-6)


def test_the_network_of_the_authors_later_code_is_the_concatenation_too() -> None:
    network = EmbeddingNet(dim=6, pool="3x3", rgb=True, bias=True)
    image = torch.rand(1, 3, 22, 17)
    embedding, taps = network.embed_with_taps(image)
    assert [tuple(tap.shape[-2:]) for tap in taps.values()] == [(22, 17)] * 2 + [(12, 9)] * 2 + [(7, 5)]
    normalised = (image - network.mean[:, None, None]) / network.std[:, None, None]
    upsampled = [F.interpolate(tap, size=(22, 17), mode="bilinear", align_corners=True) for tap in taps.values()]
    expected = network.fuse(torch.cat([normalised, *upsampled], 1)) / 6
    torch.testing.assert_close(embedding, expected, rtol=1e-4, atol=1e-6)


def test_the_embedding_turns_with_the_image() -> None:
    """Mirrored image, mirrored embedding: no layer shifts to one side (the filters are made symmetric for it)."""
    network = EmbeddingNet(dim=6)
    for name, value in network.named_parameters():
        if name.startswith("conv") and value.ndim == 4:
            value.data = (value + value.flip(-1)) / 2
    image = torch.rand(1, 3, 16, 24)
    torch.testing.assert_close(network(image.flip(-1)).flip(-1), network(image), rtol=1e-3, atol=1e-6)


def test_a_vgg_file_gives_the_activations_of_those_weights(tmp_path: Path) -> None:
    state = random_vgg()
    save_file(state, tmp_path / "vgg.safetensors")
    network = EmbeddingNet(init=tmp_path / "vgg.safetensors")
    image = torch.rand(1, 3, 9, 11)
    normalised = (image - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    expected = F.relu(F.conv2d(normalised, state["conv1_1.weight"], state["conv1_1.bias"], padding=1))
    torch.testing.assert_close(network.embed_with_taps(image)[1]["conv1_1"], expected, rtol=1e-4, atol=1e-5)


def test_a_preprocessing_layer_in_the_file_is_folded_away(tmp_path: Path) -> None:
    state = random_vgg()
    bgr = 255 * torch.eye(3).flip(0)
    state |= {"preprocess.weight": bgr[:, :, None, None], "preprocess.bias": torch.tensor([-103.9, -116.8, -123.7])}
    save_file(state, tmp_path / "vgg.safetensors")
    image = torch.rand(1, 3, 9, 11)
    raw = F.conv2d(image, state["preprocess.weight"], state["preprocess.bias"])
    expected = F.relu(F.conv2d(raw, state["conv1_1.weight"], state["conv1_1.bias"], padding=1))
    taps = EmbeddingNet(init=tmp_path / "vgg.safetensors").embed_with_taps(image)[1]
    torch.testing.assert_close(taps["conv1_1"], expected, rtol=1e-4, atol=1e-3)


def test_torchvision_weights_are_taken_by_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    state = random_vgg()
    places = {"conv1_1": 0, "conv1_2": 2, "conv2_1": 5, "conv2_2": 7, "conv3_1": 10}
    served = {f"features.{places[name.split('.')[0]]}.{name.split('.')[1]}": value for name, value in state.items()}
    served["classifier.6.weight"] = torch.zeros(1)
    monkeypatch.setattr("torchvision.models.VGG16_Weights.get_state_dict", lambda *_, **__: served)
    network = EmbeddingNet(init="vgg16")
    for name, value in state.items():
        assert torch.equal(network.state_dict()[name], value)


def test_no_network_for_torchvision_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.models.VGG16_Weights.get_state_dict", offline)
    with pytest.raises(InputError, match="torchvision could not download them"):
        EmbeddingNet(init="vgg16")


@pytest.mark.slow  # makes all of VGG
def test_torchvision_has_the_layers_at_those_places() -> None:
    from torchvision.models import vgg16  # noqa: PLC0415 - slow to import

    with torch.device("meta"):
        features = vgg16(weights=None).features
    for place, name in zip((0, 2, 5, 7, 10), EMBEDDING_LAYERS, strict=True):
        inputs, outputs = VGG_LAYERS[name]
        assert features[place].weight.shape == (outputs, inputs, 3, 3)


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    network = EmbeddingNet(dim=7)
    save_network(network, tmp_path / "net.safetensors", steps="3")
    image = torch.rand(1, 3, 8, 8)
    assert torch.equal(load_embedding_net(tmp_path / "net.safetensors")(image), network(image))
    assert [path.name for path in tmp_path.iterdir()] == ["net.safetensors"]


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    state = EmbeddingNet().state_dict()
    short, other = dict(state), dict(state)
    del short["conv2_2.bias"]
    other["conv1_1.weight"] = torch.zeros(32, 3, 3, 3)
    for name, tensors in (("short", short), ("other", other)):
        save_file(tensors, tmp_path / f"{name}.safetensors")
    save_file(state | {"more": torch.zeros(1)}, tmp_path / "more.safetensors")
    save_file(state | {"std": torch.full((3,), torch.nan)}, tmp_path / "nan.safetensors")
    save_file(state | {"fuse.weight": torch.tensor(1.0)}, tmp_path / "flat.safetensors")
    (tmp_path / "text.safetensors").write_text("not weights")
    for name, message in (
        ("short", r"conv2_2.bias is missing; expected shape \(128,\)"),
        ("other", r"conv1_1.weight is \(32, 3, 3, 3\); expected shape \(64, 3, 3, 3\)"),
        ("more", "more is not of an EmbeddingNet"),
        ("nan", "std holds NaN or infinity"),
        ("flat", r"fuse.weight is \(\); expected shape \(64, 640, 1, 1\)"),
        ("text", "not a safetensors file"),
        ("none", "no such file"),
    ):
        with pytest.raises(InputError, match=message):
            load_embedding_net(tmp_path / f"{name}.safetensors")


def test_the_shipped_weights_are_small_and_whole() -> None:
    fast, best = (load_embedding_net(weights_path(name)) for name in ("fast", "best"))
    assert isinstance(fast, EmbeddingNet)
    assert (fast.dim, fast.channels["conv1_1"], fast.stride) == (35, 32, 2)
    assert isinstance(best, TwoScaleEmbedding)
    assert (best.dim, best.fine.stride, best.coarse.stride) == (67, 1, 2)
    assert weights_path("best").stat().st_size <= 1_300_000


def test_a_narrow_network_takes_the_channels_that_contribute_most(tmp_path: Path) -> None:
    """Of channels that contribute nothing none is kept, and without them nothing changes."""
    torch.manual_seed(0)
    wide = EmbeddingNet(dim=8, width=8)
    kept = {}
    with torch.no_grad():
        for name, count in wide.channels.items():
            kept[name] = torch.randperm(count)[: count // 2].sort().values
            silent = torch.ones(count, dtype=torch.bool).index_fill_(0, kept[name], value=False)
            wide.get_parameter(f"{name}.weight")[silent] *= 1e-6
            wide.get_parameter(f"{name}.bias")[silent] = -1
        wide.fuse.weight[[0, 3, 5, 6]] *= 1e-6
    save_network(wide, tmp_path / "wide.safetensors")
    narrow = EmbeddingNet(dim=4, width=4, init=tmp_path / "wide.safetensors")
    assert torch.equal(narrow.state_dict()["conv1_1.weight"], wide.state_dict()["conv1_1.weight"][kept["conv1_1"]])
    image = torch.rand(1, 3, 14, 19)
    torch.testing.assert_close(narrow(image) * 4, (wide(image) * 8)[:, [1, 2, 4, 7]], rtol=1e-3, atol=1e-5)
    with pytest.raises(InputError, match="dim is 9; expected at most 8"):
        EmbeddingNet(dim=9, width=4, init=tmp_path / "wide.safetensors")
    again = load_network(tmp_path / "wide.safetensors", EmbeddingNet)
    assert (again.dim, again.channels["conv3_1"]) == (8, 32)


def test_a_narrow_network_says_that_vgg_is_wider(tmp_path: Path) -> None:
    save_file(random_vgg(), tmp_path / "vgg.safetensors")
    with pytest.raises(InputError, match="width is 64 channels; expected 32"):
        EmbeddingNet(width=32, init=tmp_path / "vgg.safetensors")


@pytest.mark.parametrize("size", [(1, 1), (7, 10), (16, 24)])
def test_with_a_stride_the_embedding_is_that_of_the_smaller_image_upsampled(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = EmbeddingNet(dim=5, width=8, stride=2)
    whole = EmbeddingNet(dim=5, width=8)
    whole.load_state_dict(network.state_dict())
    height, width = size
    image = torch.rand(1, 3, *size)
    padded = F.pad(image, (0, width % 2, 0, height % 2), mode="replicate")
    small = whole(F.interpolate(padded, scale_factor=0.5, mode="area"))
    expected = F.interpolate(small, scale_factor=2, mode="bilinear")[..., :height, :width]
    torch.testing.assert_close(network(image), expected, rtol=1e-4, atol=1e-6)


def test_colours_are_appended_at_full_resolution_with_weights_that_learn() -> None:
    network = EmbeddingNet(dim=4, width=8, stride=2, colours=True)
    image = torch.rand(1, 3, 9, 12)
    embedding = network(image)
    assert embedding.shape == (1, 7, 9, 12)
    assert network.dim == LearnedCue(network).channels == 7
    torch.testing.assert_close(embedding[:, 4:], 3 * image)
    embedding[:, 4:].sum().backward()
    assert network.log_colours is not None
    torch.testing.assert_close(network.log_colours.grad, 3 * image.sum((0, 2, 3)))


def test_an_embedding_that_is_not_recorded_is_put_beside_its_colours_to_the_bit() -> None:
    network = EmbeddingNet(dim=4, width=8, stride=4, colours=True)
    for size in ((2, 3, 31, 45), (1, 3, 1, 2)):
        image = torch.rand(size)
        with torch.no_grad():
            found = network(image)
        assert torch.equal(found, network(image))


def test_with_a_stride_a_part_that_starts_at_a_step_has_the_embeddings_of_the_whole() -> None:
    torch.manual_seed(0)
    network = EmbeddingNet(dim=4, width=8, stride=2, colours=True).double()
    assert network.reach is not None
    image = torch.rand(1, 3, 90, 77, dtype=torch.float64)
    top, left, reach = 2 * network.step, 3 * network.step, network.reach
    part = network(image[..., top:, left:])
    torch.testing.assert_close(part[..., reach:, reach:], network(image)[..., top + reach :, left + reach :])
    # One pixel less would not do: a change at the reach is seen.
    changed = image.clone()
    changed[..., 31, :] += 1
    rows = (network(changed) - network(image))[:, :4].abs().amax((0, 1, 3)).nonzero()
    assert int(rows.max()) <= 31 + reach


def test_the_shipped_weights_start_a_network_with_a_stride(caplog: pytest.LogCaptureFixture) -> None:
    network = EmbeddingNet(dim=32, width=32, stride=2, colours=True, init="fast")
    shipped = load_file(weights_path("fast"))
    assert torch.equal(network.fuse.weight, shipped["fuse.weight"])
    assert not caplog.records
