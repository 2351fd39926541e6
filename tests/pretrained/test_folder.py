"""A sharpener comes back from a folder as it went, to the bit, and what is no such folder is refused with a word."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from crispseg import InputError, Sharpener, Window
from crispseg.cues import ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.models import HED, EmbeddingNet
from crispseg.window import Windows


def embedding(dtype: torch.dtype = torch.float32) -> nn.Module:
    return EmbeddingNet(dim=4, width=8, pool="3x3", rgb=True).to(dtype)


class NoiseCue(RGBCue):
    """A cue of one's own."""


CUES: dict[str, Callable[[], Cue]] = {
    "learned": lambda: LearnedCue(embedding(), norm=2),
    "learned in half precision": lambda: LearnedCue(embedding(torch.bfloat16)),
    "rgb": lambda: RGBCue(norm=2),
    "soft": lambda: SoftSegmentationCue(maps=3, norm=1),
    "contour of given boundaries": ContourCue,
    "contour of a detector": lambda: ContourCue(HED(merged=True)),
}


@pytest.mark.parametrize("name", CUES)
def test_it_comes_back_to_the_bit(name: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sharpener = Sharpener(CUES[name](), window=Window(5, 2), hardness=0.1, passes=3, scores="probabilities").eval()
    sharpener.save_pretrained(tmp_path / "saved")
    again = Sharpener.from_pretrained(tmp_path / "saved")
    assert repr(again) == repr(sharpener)
    assert (again.scores, again.training) == ("probabilities", False)
    state, loaded = sharpener.state_dict(), again.state_dict()
    assert state.keys() == loaded.keys()
    assert all(torch.equal(loaded[key], value) and loaded[key].dtype == value.dtype for key, value in state.items())
    image, scores = torch.rand(1, 3, 20, 24), torch.rand(1, 3, 5, 6).softmax(1)
    features = torch.rand(1, 1, 20, 24) if "given" in name else None
    with torch.inference_mode():
        assert torch.equal(again(image, scores, features=features), sharpener(image, scores, features=features))


def saved(folder: Path, **options: Any) -> Path:
    Sharpener(LearnedCue(EmbeddingNet(dim=2, width=4)), **options).save_pretrained(folder)
    return folder


def test_options_replace_those_of_the_folder(tmp_path: Path) -> None:
    folder = saved(tmp_path / "saved", window=Window(3), hardness=2.0, passes=4, scores="probabilities")
    kept = Sharpener.from_pretrained(folder)
    assert (kept.window, kept.hardness.item(), kept.filter.passes) == (Windows.of(3), 2.0, 4)
    options: dict[str, Any] = {"window": Window(5), "hardness": 3.0, "passes": 1, "scores": "logits"}
    replaced = Sharpener.from_pretrained(str(folder), cue="learned:norm=2", **options)
    assert (replaced.window, replaced.hardness.item(), replaced.filter.passes) == (Windows.of(5), 3.0, 1)
    assert replaced.scores == "logits"
    assert replaced.cue.norm == 2


def test_the_folder_holds_safetensors_and_text_alone(tmp_path: Path) -> None:
    folder = saved(tmp_path / "saved")
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    config = json.loads((folder / "config.json").read_text())
    cue = {"name": "learned", "arguments": {"norm": 1}, "weights": "model.safetensors", "precision": "float32"}
    assert config["cue"] == cue
    assert (config["version"], config["hardness"], config["window"]) == (2, 1.5, "5@64,5@16,5@8,5@4,5@2,5")


@pytest.mark.parametrize("scores", ["logits", "probabilities", "multilabel"])
def test_the_card_says_what_it_is_and_its_sample_runs(scores: Any, tmp_path: Path) -> None:
    sharpener = Sharpener(ContourCue(), hardness=7.5, window=Window(5, 3), scores=scores, guard=0.4)
    sharpener.save_pretrained(tmp_path / "saved", license="cc-by-4.0")
    card = (tmp_path / "saved" / "README.md").read_text()
    assert card.startswith("---\nlicense: cc-by-4.0\nlibrary_name: crispseg\n")
    for fact in (
        "| cue | contour |",
        "| hardness | 7.5 |",
        "| window | 5@3 |",
        f"| scores | {scores} |",
        "| guard | 0.4 |",
    ):
        assert fact in card
    (sample,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    names: dict[str, Any] = {}
    exec(sample, names)
    assert names["crisp"].shape == (1, 21, 120, 160)


def test_a_card_without_a_licence_claims_none(tmp_path: Path) -> None:
    card = (saved(tmp_path / "saved") / "README.md").read_text()
    assert "license:" not in card
    assert "| license | not said |" in card


@pytest.mark.parametrize(
    ("cue", "message"),
    [
        (lambda: LearnedCue(nn.Conv2d(3, 2, 1)), "with Conv2d cannot be saved.*EmbeddingNet or TrunkEmbedding"),
        (lambda: LearnedCue(embedding(torch.float64)), "weights are float64; expected float32, bfloat16, float16"),
        (NoiseCue, "NoiseCue cannot be saved, because it is not registered; .*entry point .*crispseg.cues"),
    ],
)
def test_what_could_not_be_made_again_is_not_saved(cue: Callable[[], Cue], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        Sharpener(cue()).save_pretrained(tmp_path / "saved")
    assert not (tmp_path / "saved").exists()


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"output folder .*file.*: cannot be written to"):
        Sharpener(RGBCue()).save_pretrained(tmp_path / "file")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cue": None}, r"config.json: config lacks 'cue'; expected a file that save_pretrained wrote"),
        ({"version": 3}, "version is 3; expected 2: .*upgrade crispseg"),
        ({"version": None}, "version is None"),
        ({"guarding": 1}, r"'guarding'; expected cue, window, .*upgrade crispseg"),
        ({"window": "4"}, "window size is 4; expected an odd number"),
        ({"window": {"side": 3}}, "window is .*side.*; expected a crispseg.Window, an odd size"),
        ({"hardness": "hard"}, "hardness is 'hard'; expected a number"),
        ({"hardness": -1}, "hardness is -1; expected a number above 0"),
        ({"passes": 0}, "passes is 0"),
        ({"scores": "softmax"}, "scores is 'softmax'"),
        ({"cue": {"name": "depth"}}, "cue is 'depth'; expected one of 'learned', 'rgb', 'soft', 'contour'"),
        ({"cue": {"name": "learned"}}, "cue 'learned' has no weights; expected those of its network"),
        ({"cue": {"name": "learned", "weights": "../x.safetensors"}}, "expected 'model.safetensors', or none"),
        ({"cue": {"name": "rgb", "weights": "model.safetensors"}}, "cue 'rgb' has no network; expected no weights"),
        ({"cue": {"name": "rgb", "arguments": {"maps": 3}}}, "cue 'rgb' has no argument 'maps'; expected norm"),
        ({"cue": {"name": "rgb", "arguments": {"norm": 3}}}, "norm is 3"),
        ({"cue": {"name": "learned", "precision": "int8"}}, "precision is 'int8'; expected one of"),
        ({"cue": 3}, "cue is 3"),
    ],
)
def test_a_configuration_that_says_anything_else_is_refused(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    path = saved(tmp_path / "saved") / "config.json"
    config = json.loads(path.read_text()) | changes
    path.write_text(json.dumps({name: value for name, value in config.items() if value is not None}))
    with pytest.raises(InputError, match=message) as caught:
        Sharpener.from_pretrained(path.parent)
    assert "config.json" in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_a_configuration_that_is_no_configuration_is_refused(text: str, tmp_path: Path) -> None:
    path = saved(tmp_path / "saved") / "config.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"config .*config.json: (cannot be read as JSON|holds a list)"):
        Sharpener.from_pretrained(path.parent)


def test_a_folder_without_its_files_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no config.json; expected a folder that save_pretrained wrote"):
        Sharpener.from_pretrained(tmp_path)
    folder = saved(tmp_path / "saved")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"weights .*model.safetensors: no such file"):
        Sharpener.from_pretrained(folder)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "saved")
    Sharpener(ContourCue(HED())).save_pretrained(tmp_path / "other")
    (tmp_path / "other" / "model.safetensors").replace(folder / "model.safetensors")
    with pytest.raises(InputError, match="holds an HED; expected an EmbeddingNet"):
        Sharpener.from_pretrained(folder)


def test_who_asks_for_a_cue_without_a_network_learns_how_to_make_it() -> None:
    with pytest.raises(InputError, match=r"cue 'rgb' has no network; .*Sharpener\(cue\).*RGBCue\(\)"):
        Sharpener.from_pretrained(cue="rgb")


def test_a_norm_is_for_embeddings_and_a_revision_for_a_hub(tmp_path: Path) -> None:
    Sharpener(ContourCue()).save_pretrained(tmp_path / "saved")
    with pytest.raises(InputError, match="cue 'contour' has no argument 'norm'; expected none"):
        Sharpener.from_pretrained(tmp_path / "saved", cue="contour:norm=2")
    with pytest.raises(InputError, match=r"cue is 'rgb', but weights .* were saved with 'contour'"):
        Sharpener.from_pretrained(tmp_path / "saved", cue="rgb")
    with pytest.raises(InputError, match="weights fast: have no revision"):
        Sharpener.from_pretrained("fast", revision="main")
