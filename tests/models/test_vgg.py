"""VGG's weights: where they come from, and what is said of a source that does not hold them all."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import save_file
from torch import Tensor

from crispseg import InputError
from crispseg.models import HED, DeepLabLargeFOV, EmbeddingNet
from crispseg.models.vgg import VGG_LAYERS, vgg_convolution, vgg_state


def filled(*layers: str) -> dict[str, Tensor]:
    """Each layer filled with its place among the thirteen."""
    state: dict[str, Tensor] = {}
    for name in layers:
        inputs, outputs = VGG_LAYERS[name]
        place = float(list(VGG_LAYERS).index(name))
        state |= {f"{name}.weight": torch.full((outputs, inputs, 3, 3), place), f"{name}.bias": torch.ones(outputs)}
    return state


def test_the_thirteen_layers_lie_where_torchvision_has_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import vgg16  # noqa: PLC0415 - slow to import

    with torch.device("meta"):
        features = vgg16().features
    places = [place for place, layer in enumerate(features) if isinstance(layer, torch.nn.Conv2d)]
    served = {f"features.{place}.{kind}": torch.zeros_like(value, device="cpu") + place
              for place in places for kind, value in features[place].named_parameters()}  # fmt: skip
    monkeypatch.setattr("torchvision.models.VGG16_Weights.get_state_dict", lambda *_, **__: served)
    state = vgg_state("vgg16")
    assert len(VGG_LAYERS) == len(places) == 13
    for name, place in zip(VGG_LAYERS, places, strict=True):
        assert torch.equal(state[f"{name}.weight"], served[f"features.{place}.weight"])
        assert torch.equal(state[f"{name}.bias"], served[f"features.{place}.bias"])
    assert vgg_state("vgg16", ["conv1_1"]).keys() == {"conv1_1.weight", "conv1_1.bias", "mean"}


def test_fc6_and_fc7_are_every_nth_weight_of_the_fully_connected_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import vgg16  # noqa: PLC0415 - slow to import

    with torch.device("meta"):
        shapes = {name: value.shape for name, value in vgg16().named_parameters()}
    served = {name: torch.zeros(shape) for name, shape in shapes.items() if "classifier.6" not in name}
    served["classifier.0.weight"].view(4096, 512, 7, 7)[8, 5, 3, 6] = 1
    served["classifier.3.weight"][12, 20] = 2
    served["classifier.3.bias"][4] = 3
    monkeypatch.setattr("torchvision.models.VGG16_Weights.get_state_dict", lambda *_, **__: served)
    trunk = DeepLabLargeFOV(2, init="vgg16").trunk
    expected = {"fc6.weight": [[2, 5, 1, 2]], "fc6.bias": [], "fc7.weight": [[3, 5, 0, 0]], "fc7.bias": [[1]]}
    assert {name: trunk.get_parameter(name).nonzero().tolist() for name in expected} == expected


def test_a_file_may_end_early_and_what_it_lacks_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "vgg.safetensors"
    save_file(filled("conv1_1", "conv1_2", "conv2_1"), path)
    network = EmbeddingNet(init=path)
    assert [record.getMessage() for record in caplog.records] == [
        f"weights {path}: no fitting conv2_2, conv3_1; started at random"
    ]
    assert torch.equal(network.state_dict()["conv2_1.weight"], torch.full((128, 64, 3, 3), 2.0))
    assert network.state_dict()["conv2_2.weight"].std() > 0


def test_a_file_with_every_layer_is_taken_in_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_file(filled(*VGG_LAYERS), tmp_path / "vgg.safetensors")
    network = HED(init=tmp_path / "vgg.safetensors")
    assert not caplog.records
    assert [network.trunk.get_parameter(f"{name}.weight").unique().tolist() for name in VGG_LAYERS] == [
        [place] for place in range(13)
    ]


def test_any_mixture_of_colours_is_folded_into_the_first_layer(tmp_path: Path) -> None:
    rng = torch.Generator().manual_seed(0)
    mixture, offset = torch.randn(3, 3, generator=rng), torch.randn(3, generator=rng)
    state = filled("conv1_1")
    state["conv1_1.weight"] = torch.randn(64, 3, 3, 3, generator=rng)
    state |= {"preprocess.weight": mixture[:, :, None, None], "preprocess.bias": offset}
    save_file(state, tmp_path / "vgg.safetensors")
    network = EmbeddingNet(init=tmp_path / "vgg.safetensors")
    image = torch.rand(1, 3, 6, 5, generator=rng)
    mixed = F.conv2d(image, state["preprocess.weight"], offset)
    expected = F.relu(F.conv2d(mixed, state["conv1_1.weight"], state["conv1_1.bias"], padding=1))
    torch.testing.assert_close(network.embed_with_taps(image)[1]["conv1_1"], expected, rtol=1e-4, atol=1e-4)


def test_files_that_cannot_start_a_network_are_refused(tmp_path: Path) -> None:
    half = filled("conv1_1", "conv1_2")
    del half["conv1_2.bias"]
    for state, message in (
        (filled("conv1_1", "conv2_1"), "holds conv2_1 but not conv1_2, which comes before it"),
        (filled("conv1_2"), "holds conv1_2 but not conv1_1, which comes before it"),
        ({"other": torch.zeros(1)}, "holds none of conv1_1 to conv3_1; expected conv1_1.weight"),
        (half, r"conv1_2.bias is missing; expected shape \(64,\)"),
        (
            filled("conv1_1") | {"preprocess.weight": torch.zeros(3, 3, 1, 1), "preprocess.bias": torch.zeros(3)},
            "preprocess.weight loses colours",
        ),
    ):
        save_file(state, tmp_path / "vgg.safetensors")
        with pytest.raises(InputError, match=message):
            EmbeddingNet(init=tmp_path / "vgg.safetensors")


def test_a_network_that_is_read_from_a_file_draws_no_random_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the meta device PyTorch would import its compiler for them: 3 to 18 seconds before the first result."""
    drawn: list[object] = []
    monkeypatch.setattr(torch.nn.init, "kaiming_normal_", lambda weight, **_: drawn.append(weight))
    with torch.device("meta"):
        vgg_convolution("conv1_1")
    assert not drawn
    vgg_convolution("conv1_1")
    assert len(drawn) == 1
