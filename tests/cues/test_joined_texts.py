"""The text and the JSON of a cue made of cues, and which weights go to which part."""

import json
from typing import Any

import pytest

from crispseg import CueConfig, InputError
from crispseg.pretrained.load import assigned

TEXTS = {
    "learned+rgb": [(1.0, "learned"), (1.0, "rgb")],
    "learned+0.5*rgb": [(1.0, "learned"), (0.5, "rgb")],
    "0.5*learned:norm=2+rgb:norm=2": [(0.5, "learned:norm=2"), (1.0, "rgb:norm=2")],
    "1e-07*rgb+1e+20*soft:maps=4,norm=1+3*rgb": [(1e-7, "rgb"), (1e20, "soft:maps=4,norm=1"), (3.0, "rgb")],
    "my-cue:scale=1e+20+2*rgb": [(1.0, "my-cue:scale=1e+20"), (2.0, "rgb")],
    "mine2e+rgb": [(1.0, "mine2e"), (1.0, "rgb")],
}


@pytest.mark.parametrize("text", TEXTS)
def test_texts_and_json_are_read_back(text: str) -> None:
    config = CueConfig.of(text)
    assert config == CueConfig(parts=tuple((weight, CueConfig.of(cue)) for weight, cue in TEXTS[text]))
    assert str(config) == text
    for again in (CueConfig.of(str(config)), CueConfig.of(json.loads(json.dumps(config.to_dict())))):
        assert again == config
        assert hash(again) == hash(config)
    assert eval(repr(config)) == config


@pytest.mark.parametrize("first", [1, 0.1, 1 / 3, 1e-30, 1e30])
@pytest.mark.parametrize("second", [2, 0.7])
@pytest.mark.parametrize("names", [("rgb", "soft"), ("a-b", "c_2e")])
def test_every_weight_is_read_back(first: float, second: float, names: tuple[str, str]) -> None:
    config = CueConfig(parts=((first, CueConfig(names[0])), (second, CueConfig(names[1], (("x", 1.5e20),)))))
    assert CueConfig.of(str(config)) == config


def test_spaces_and_ones_may_be_written() -> None:
    assert CueConfig.of(" 1 * learned + 0.5 * rgb:norm = 1 ") == CueConfig.of("learned+0.5*rgb:norm=1")
    assert CueConfig.of("learned+rgb") != CueConfig.of("rgb+learned") != CueConfig.of("rgb+2*learned")


NONSENSE = ["learned+", "+rgb", "+", "learned++rgb", "0*rgb", "learned+0*rgb", "learned+-1*rgb", "learned+nan*rgb",
            "inf*learned+rgb", "*rgb+learned", "0.5*+rgb", "half*rgb+rgb", "1e40*rgb+rgb", "0.5*rgb",
            "rgb:norm+rgb"]  # fmt: skip


@pytest.mark.parametrize("text", NONSENSE)
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"(is|cue) .*; expected") as caught:
        CueConfig.of(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"parts": [[1, "rgb"]]},
        {"parts": [[1, "rgb"], ["many", "rgb"]]},
        {"parts": [[1, "rgb"], [1, "rgb+rgb"]]},
        {"parts": 3},
        {"parts": []},
        {"parts": [[1, "rgb"], [1, "rgb"]], "weights": "fast"},
        {"parts": [[1, "rgb"], [1, "rgb"]], "arguments": {"norm": 1}},
        {"parts": [[1, "rgb"], [1, "rgb"]], "name": "soft+rgb"},
    ],
)
def test_malformed_parts_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected"):
        CueConfig.of(fields)


def test_weights_go_to_the_networks() -> None:
    both = CueConfig.of("learned+rgb+learned")
    assert [one.weights for one in assigned(both, "best").single] == ["best", None, "best"]
    assert assigned(both, "fast,best").texts() == {"weights": "fast,best"}
    assert assigned(both, "best,best").texts() == {"weights": "best"}
    assert [one.weights for one in assigned(CueConfig.of("rgb+learned"), "a,b.safetensors").single] == [
        None, "a,b.safetensors"
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"names 3; expected one for all, or one for each of the 2 networks"):
        assigned(both, "fast,best,narrow")
    with pytest.raises(InputError, match=r"cue 'rgb\+soft' has no network"):
        assigned(CueConfig.of("rgb+soft"), "fast")
