"""A weights file names a network and its shape. Whatever else it says, it is refused and nothing is done."""

import inspect
import json
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from crispseg import CueConfig, InputError, Sharpener, Window
from crispseg.cues import make_cue
from crispseg.jobs.networks import load_predictor
from crispseg.models import HED, CrispNet, DeepLabLargeFOV, DeepLabMSc, EmbeddingNet, vgg
from crispseg.models.crisp_net import load_crisp_net
from crispseg.models.network import Network
from crispseg.models.saving import load_network
from crispseg.nn import Affinity, LocalFilter

NETWORKS: tuple[type[Network], ...] = (EmbeddingNet, HED, DeepLabLargeFOV, DeepLabMSc)
WRONG = (0, -1, 2**63, 10**300, 2.0, 1e300, "2", None, [2], {"a": 1}, "vgg16", "no such value")


@pytest.fixture(autouse=True)
def nothing_is_opened_or_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a network could start from fails the test, with an error that nobody expects."""

    def started(*_: object) -> None:
        raise AssertionError("a weights file made a network start from somewhere")

    monkeypatch.setattr(vgg, "_torchvision_state", started)
    monkeypatch.setattr(Network, "_start_from_network", started)


def write(path: Path, state: dict[str, Tensor], network: str, arguments: object) -> Path:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    save_file(state, path, metadata={"network": network, "arguments": text})
    return path


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_network_says_all_of_its_shape_and_nothing_else(kind: type[Network]) -> None:
    parameters = inspect.signature(kind).parameters
    assert kind.shape.keys() == parameters.keys() - {"init"}
    for name, allowed in kind.shape.items():
        assert parameters[name].default in allowed


@pytest.mark.parametrize("init", ["vgg16", "random", "/etc/passwd", "{own}", 3, None])
@pytest.mark.parametrize("kind", NETWORKS)
def test_a_file_to_start_from_is_refused_by_name(kind: type[Network], init: object, tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    init = str(path) if init == "{own}" else init
    write(path, {"mean": torch.zeros(3)}, kind.__name__, {"init": init})
    with pytest.raises(InputError, match=f"unknown argument 'init'; expected only {', '.join(kind.shape)}"):
        load_network(path, kind)
    if kind is EmbeddingNet:
        with pytest.raises(InputError, match="unknown argument 'init'"):
            Sharpener.from_pretrained(path)
    else:
        with pytest.raises(InputError, match="unknown argument 'init'"):
            load_predictor(path)


@pytest.mark.parametrize("kind", NETWORKS)
def test_arguments_of_another_type_or_beyond_reason_are_refused(kind: type[Network], tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    for name, allowed in kind.shape.items():
        for value in (*WRONG, *(() if isinstance(allowed[0], bool) else (True, False))):
            write(path, {"mean": torch.zeros(3)}, kind.__name__, {name: value})
            with pytest.raises(InputError, match=f"{name} is .*; expected "):
                load_network(path, kind)


@pytest.mark.parametrize(
    "arguments", ["[" * 200_000, "1" * 5000, "null", "[]", "", '{"dim":', '{"self": 1}', '{"": 1}']
)
def test_what_is_no_set_of_arguments_is_refused_in_a_short_line(arguments: str, tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors", {"mean": torch.zeros(3)}, "EmbeddingNet", arguments)
    with pytest.raises(InputError, match="does not describe an EmbeddingNet") as caught:
        load_network(path, EmbeddingNet)
    assert len(str(caught.value)) < 800
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("network", ["", "x" * 100_000])
def test_a_name_of_no_network_is_refused_in_a_short_line(network: str, tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors", {"mean": torch.zeros(3)}, network, {})
    with pytest.raises(InputError, match="expected an EmbeddingNet") as caught:
        load_network(path, EmbeddingNet)
    assert len(str(caught.value)) < 800


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.int64, torch.complex64, torch.bool, torch.uint8])
def test_weights_are_floating_point(dtype: torch.dtype, tmp_path: Path) -> None:
    state = EmbeddingNet(dim=2).state_dict()
    state["fuse.weight"] = state["fuse.weight"].to(dtype)
    path = write(tmp_path / "net.safetensors", state, "EmbeddingNet", {"dim": 2})
    with pytest.raises(InputError, match=r"fuse\.weight is torch\..*; expected (floating-point numbers|float32)"):
        load_network(path, EmbeddingNet)


@cache
def crisp_net() -> CrispNet:
    window = Window(3)
    parts = EmbeddingNet(dim=2, width=2), Affinity(window, 5.0, learned=True), LocalFilter(window, passes=2)
    return CrispNet(DeepLabLargeFOV(num_classes=2), *parts)


def arguments_of_crisp_net() -> dict[str, Any]:
    part = {"network": "EmbeddingNet", "arguments": '{"dim": 2, "width": 2}'}
    made = {"segmenter": {"network": "DeepLabLargeFOV", "arguments": '{"num_classes": 2}'}, "embedding": part}
    options = {"window": "3", "norm": 1, "learned": True, "passes": 2, "normalize": True, "filtered": "logits"}
    return made | options


def test_a_full_network_with_these_weights_and_arguments_is_well(tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors", crisp_net().state_dict(), "CrispNet", arguments_of_crisp_net())
    assert load_crisp_net(path).filter.passes == 2


Change = Callable[[dict[str, Any]], object]
CHANGES: dict[str, tuple[Change, str]] = {
    "init": (
        lambda made: made["embedding"].update(arguments='{"dim": 2, "init": "vgg16"}'),
        "unknown argument 'init'",
    ),
    "segmenter init": (lambda made: made["segmenter"].update(arguments='{"init": "/x"}'), "unknown argument 'init'"),
    "unknown part": (lambda made: made.update(init="vgg16"), "init"),
    "no window": (lambda made: made.pop("window"), "expected segmenter, embedding"),
    "more of a part": (lambda made: made["segmenter"].update(init="vgg16"), "segmenter is .*expected the name"),
    "a part of another type": (lambda made: made["segmenter"].update(arguments=3), "segmenter is .*expected the name"),
    "no part": (lambda made: made.update(segmenter=[]), "segmenter is .*expected the name"),
    "another network": (lambda made: made["segmenter"].update(network="Popen"), "holds a Popen; expected"),
    "large window": (lambda made: made.update(window="1000001"), "window size is 1000001; expected at most 255"),
    "even window": (lambda made: made.update(window=["3", 8]), "window size is 8; expected an odd"),
    "true window": (lambda made: made.update(window=[True]), "window is True; expected"),
    "wide dilation": (lambda made: made.update(window="3@1000000"), "window dilation is 1000000; expected at most 255"),
    "half a window": (lambda made: made.update(window=[None]), "window is None; expected"),
    "text for a window": (lambda made: made.update(window="3x"), "window is '3x'; expected"),
    "no windows": (lambda made: made.update(window=[]), "window is empty; expected"),
    "many windows": (lambda made: made.update(window=[3] * 10**5), "100000 windows; expected at most 16"),
    "deep windows": (lambda made: made.update(window=[[3, 1]]), r"window is \[3, 1\]; expected"),
    "passes for other windows": (lambda made: made.update(passes=[1, 2]), "passes has 2 numbers .*expected one number"),
    "passes of text": (lambda made: made.update(passes=["2"]), "passes is '2'; expected"),
    "passes": (lambda made: made.update(passes=10**18), "passes is 1000000000000000000; expected"),
    "true passes": (lambda made: made.update(passes=True), "passes is True; expected"),
    "norm": (lambda made: made.update(norm=1.0), "norm is 1.0; expected one of 1, 2"),
    "learned": (lambda made: made.update(learned="yes"), "learned is 'yes'; expected one of False, True"),
    "normalize": (lambda made: made.update(normalize=0), "normalize is 0; expected one of False, True"),
    "filtered": (lambda made: made.update(filtered=["logits"]), r"filtered is \['logits'\]; expected one of 'logits'"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_full_network_is_its_parts_and_options(change: str, tmp_path: Path) -> None:
    made, (alter, message) = arguments_of_crisp_net(), CHANGES[change]
    alter(made)
    path = write(tmp_path / "net.safetensors", crisp_net().state_dict(), "CrispNet", made)
    with pytest.raises(InputError, match=message) as caught:
        load_crisp_net(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("arguments", ["[" * 200_000, "1" * 5000, "null", "[]", "", '"text"'])
def test_arguments_of_a_full_network_are_a_mapping(arguments: str, tmp_path: Path) -> None:
    path = write(tmp_path / "net.safetensors", {"affinity.log_hardness": torch.zeros(())}, "CrispNet", arguments)
    with pytest.raises(InputError, match=r"damaged|expected segmenter, embedding"):
        load_crisp_net(path)


@pytest.mark.parametrize("hardness", [None, torch.zeros(3), torch.tensor(torch.nan), torch.tensor(1e6)])
def test_the_hardness_of_a_full_network_is_one_number(hardness: Tensor | None, tmp_path: Path) -> None:
    path, state, made = tmp_path / "net.safetensors", crisp_net().state_dict(), arguments_of_crisp_net()
    del state["affinity.log_hardness"]
    if hardness is not None:
        state["affinity.log_hardness"] = hardness
    write(path, state, "CrispNet", made)
    with pytest.raises(InputError, match="hardness") as caught:
        load_crisp_net(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("score_weight", [torch.zeros(3), torch.tensor(torch.nan), torch.tensor(1e6)])
def test_the_score_weight_of_a_full_network_is_one_number(score_weight: Tensor, tmp_path: Path) -> None:
    path, state, made = tmp_path / "net.safetensors", crisp_net().state_dict(), arguments_of_crisp_net()
    write(path, state | {"affinity.log_score_weight": torch.tensor(-1.0)}, "CrispNet", made)
    assert torch.as_tensor(load_crisp_net(path).affinity.score_weight).item() == pytest.approx(math.exp(-1))
    write(path, state | {"affinity.log_score_weight": score_weight}, "CrispNet", made)
    with pytest.raises(InputError, match="score_weight") as caught:
        load_crisp_net(path)
    assert str(path) in str(caught.value)


def test_a_full_network_holds_nothing_else(tmp_path: Path) -> None:
    path, state, made = tmp_path / "net.safetensors", crisp_net().state_dict(), arguments_of_crisp_net()
    write(path, state | {"extra": torch.zeros(1)}, "CrispNet", made)
    with pytest.raises(InputError, match="hold more than the parts of a CrispNet"):
        load_crisp_net(path)


def test_what_could_not_be_loaded_again_is_not_made() -> None:
    window = Window(3, dilation=300)
    with pytest.raises(InputError, match="window dilation is 300; expected at most 255"):
        CrispNet(nn.Conv2d(3, 2, 1), EmbeddingNet(dim=2), Affinity(window, 5.0), LocalFilter(window))


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ({"name": "rgb", "arguments": {"norm": True}}, "norm is True; expected one of 1, 2"),
        ({"name": "rgb", "arguments": {"norm": 1.0}}, "norm is 1.0; expected one of 1, 2"),
        ({"name": "soft", "arguments": {"maps": 10**9}}, "maps is 1000000000; expected a whole number from 1 to 1024"),
        ({"name": "soft", "arguments": {"maps": True}}, "maps is True; expected a whole number"),
        ({"name": "rgb", "arguments": {"init": "vgg16"}}, "no argument 'init'"),
        ({"name": "rgb", "arguments": [1, 2]}, "expected names and values"),
        ({"name": ["rgb"]}, "expected the name of a cue"),
        ({"name": "rgb", "precision": "float8"}, "precision is 'float8'"),
        ({"name": "rgb", "init": "vgg16"}, "cue holds 'init'"),
    ],
)
def test_a_cue_in_a_file_has_sane_arguments(described: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_cue(CueConfig.of(described))
