"""Every option of a sharpener is in one place, and honoured everywhere: the tests walk the fields of its config."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import pytest
import torch
from PIL import Image

from crispseg import CueConfig, InputError, Sharpener, SharpenerConfig
from crispseg.app.settings import with_defaults
from crispseg.cli.main import main
from crispseg.config import SHIPPED_PASSES, options
from crispseg.config_values import SharpenerOptions
from crispseg.cues import RGBCue
from crispseg.export.onnx import metadata_of
from crispseg.grid import Grid
from crispseg.jobs import Outputs, sharpen_files
from crispseg.options import as_text, flag
from crispseg.tuning.filter_search import configs_to_try
from crispseg.window import Level, Window, Windows

OTHER: dict[str, Any] = {
    "cue": CueConfig.of("rgb:norm=2"),
    "window": Windows.of("5@2,3"),
    "passes": 3,
    "hardness": 7.3,
    "cue_weight": 0.8,
    "score_weight": 0.3,
    "scores": "probabilities",
    "upsampling": "bilinear",
    "guard": 0.35,
    "grid": Grid.of("stride=8,4"),
    "negligible": 0.2,
}
"""A value of each field that no default has."""

NAMES = [name for name, _ in options()]
START = Sharpener(RGBCue()).config


def with_other(name: str) -> Sharpener:
    return Sharpener.from_config(START.replaced(**{name: OTHER[name]}))


def test_the_walk_knows_every_field() -> None:
    """A new option needs a value here, and nothing else of these tests."""
    assert set(OTHER) == set(NAMES) == {field.name for field in fields(SharpenerConfig)}
    assert set(get_type_hints(SharpenerOptions)) == set(NAMES) - {"cue"}
    assert all(getattr(START, name) != value for name, value in OTHER.items())


@pytest.mark.parametrize("name", NAMES)
def test_the_module_gives_it_back(name: str) -> None:
    assert getattr(with_other(name).config, name) == OTHER[name]
    if name != "cue":
        assert getattr(Sharpener(RGBCue()).with_options(**{name: OTHER[name]}).config, name) == OTHER[name]


@pytest.mark.parametrize("name", NAMES)
def test_text_and_json_bring_it_back(name: str) -> None:
    config = START.replaced(**{name: OTHER[name]})
    assert SharpenerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert START.replaced(**{name: as_text(OTHER[name])}) == config
    assert config.texts()[name] != START.texts()[name]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_saved_and_loaded_and_in_the_card(name: str, tmp_path: Path) -> None:
    sharpener = with_other(name)
    sharpener.save_pretrained(tmp_path / "saved")
    assert Sharpener.from_pretrained(tmp_path / "saved").config == sharpener.config
    assert f"| {name} | {as_text(OTHER[name])} |" in (tmp_path / "saved" / "README.md").read_text()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "cue"])
def test_it_replaces_the_saved_one(name: str, tmp_path: Path) -> None:
    Sharpener(RGBCue()).save_pretrained(tmp_path / "saved")
    assert getattr(Sharpener.from_pretrained(tmp_path / "saved", **{name: OTHER[name]}).config, name) == OTHER[name]


@pytest.mark.parametrize("name", NAMES)
def test_it_is_in_an_exported_file(name: str) -> None:
    assert metadata_of(with_other(name))[name] == as_text(OTHER[name])


@pytest.mark.parametrize("name", NAMES)
def test_a_run_that_resumes_makes_anew_what_another_value_made(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for folder in ("images", "scores"):
        (tmp_path / folder).mkdir()
    Image.fromarray(rng.integers(0, 256, (16, 24, 3), dtype=np.uint8)).save(tmp_path / "images" / "a.png")
    probabilities = torch.rand(3, 2, 3).softmax(0)
    np.save(tmp_path / "scores" / "a.npy", (probabilities - 2 * (name != "scores")).numpy())
    outputs = Outputs(tmp_path / "out", pictures=False)
    given = [tmp_path / "images"], tmp_path / "scores", outputs
    first = Sharpener(RGBCue()).with_options(grid="centres" if name == "grid" else "stride=8,4")
    if name == "scores":
        first = first.with_options(scores="multilabel_probabilities")
    sharpen_files(*given, first)
    second = Sharpener.from_config(first.config.replaced(**{name: OTHER[name]}))
    with pytest.raises(InputError, match=rf"made with other settings.*{name}"):
        sharpen_files(*given, second, resume=True)


@pytest.mark.parametrize("command", ["sharpen", "raster", "evaluate", "tune", "export"])
@pytest.mark.parametrize("name", NAMES)
def test_every_command_that_sharpens_shows_it(command: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert f"{flag(name)} " in capsys.readouterr().out


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("cue", "scores", "grid")])
def test_it_is_searched(name: str) -> None:
    settings = configs_to_try(START, {name: [getattr(START, name), as_text(OTHER[name])]})
    assert {getattr(setting, name) for setting in settings} == {getattr(START, name), OTHER[name]}


def test_a_config_of_version_1_means_what_it_meant() -> None:
    old = {"version": 1, "cue": {"name": "rgb"}, "window": "7", "passes": 3, "hardness": 20.0}
    found = SharpenerConfig.from_dict(old)
    assert (found.score_weight, found.negligible, found.guard, found.levels) == (0, 0, None, (Level(Window(7), 3),))
    with pytest.raises(InputError, match=r"guard is 0\.7 in a config of version 1.*write \"guard\": null"):
        SharpenerConfig.from_dict(old | {"guard": 0.7})


def test_a_search_starts_from_the_sharpener() -> None:
    start = START.replaced(**{name: value for name, value in OTHER.items() if name != "cue"})
    settings = configs_to_try(start, {})
    assert start in settings
    windows, passes, hardness, score_weight = 5, 3, 6, 3
    assert len(settings) == windows * passes * hardness * score_weight
    assert {(setting.upsampling, setting.guard, setting.grid) for setting in settings} == {
        ("bilinear", OTHER["guard"], OTHER["grid"])
    }
    assert {setting.score_weight for setting in configs_to_try(start.replaced(scores="multilabel"), {})} == {
        start.score_weight
    }
    searched = "'window', 'passes', 'hardness', 'cue_weight', 'score_weight', 'upsampling', 'guard'"
    with pytest.raises(InputError, match=f"'depth'; expected one of {searched}"):
        configs_to_try(start, {"depth": [1]})
    with pytest.raises(InputError, match="passes is empty; expected at least one value"):
        configs_to_try(start, {"passes": []})


def test_weights_of_each_window_are_read_kept_and_suit_their_dilation() -> None:
    options: dict[str, Any] = {"window": "5@64,5@16,5", "passes": 2, "hardness": 3}
    ladder = SharpenerConfig(**options, cue_weight="0.6,1,1", score_weight=[1.5, 0.7, 0])
    assert SharpenerConfig.from_dict(ladder.to_dict()) == ladder
    assert SharpenerConfig(**ladder.texts()) == ladder  # type: ignore[arg-type]
    assert [level[2:] for level in ladder.levels] == [(0.6, 1.5), (1, 0.7), (1, 0)]
    usual = ladder.replaced(cue_weight="auto", score_weight="auto")
    assert [level[2:] for level in usual.levels] == [(0.5, 2), (1, 0.7), (1, 0.7)]
    assert [level[2:] for level in usual.replaced(score_weight=0.4).levels] == [(1, 0.4)] * 3
    independent = usual.replaced(scores="multilabel")
    assert [level.window.dilation for level in independent.levels] == [16, 1]
    found = {
        setting.score_weight for setting in configs_to_try(ladder, {"window": ["5@64,5@16,5", "9"], "passes": [2]})
    }
    assert {(1.5, 0.7, 0), "auto", 0} == found


@pytest.mark.parametrize("weights", [{"cue_weight": "1,2"}, {"score_weight": (1, 2)}])
def test_weights_must_fit_the_windows(weights: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"weight has 2 numbers .*; expected one number, or 3 for window 5@4,5@2,5"):
        SharpenerConfig(window="5@4,5@2,5", **weights)
    with pytest.raises(InputError, match="window 3 is used twice with different weights"):
        SharpenerConfig(window="3,3", **weights)


def test_weights_that_ship_have_passes_and_a_hardness_of_their_own(tmp_path: Path) -> None:
    own, hardness = SHIPPED_PASSES["best"]
    best = Sharpener.from_pretrained("best")
    assert (best.config.passes, best.config.hardness) == (own, hardness) != (4, 1.5)
    assert with_defaults(SharpenerConfig(cue=best.config.cue)) == best.config  # as the page and its recipe see it
    best.save_pretrained(tmp_path / "best")
    assert Sharpener.from_pretrained(tmp_path / "best").config.passes == own
    # With other windows, or where told otherwise, nothing of them is left.
    for changes, expected in (
        ({"window": 9}, (25, 1.5)),
        ({"window": "5@8,5"}, (4, 1.5)),
        ({"passes": 3}, (3, hardness)),
        ({"hardness": 2}, (own, 2)),
    ):
        changed = Sharpener.from_pretrained("best", **changes).config
        assert (changed.passes, changed.hardness) == expected
    assert Sharpener.from_pretrained("fast").config.passes == 4


def test_a_search_pairs_windows_with_the_passes_that_fit() -> None:
    pairs: dict[str, list[Any]] = {"window": ["9", "5@2,5"], "passes": [7, "6,4"]}
    found = {(str(each.window), each.passes) for each in configs_to_try(START, pairs | {"hardness": [1]})}
    assert found == {("9", 7), ("5@2,5", 7), ("5@2,5", (6, 4))}
    ladder = START.replaced(window="5@2,5", passes=(8, 2))
    found = {
        (str(each.window), each.passes) for each in configs_to_try(ladder, {"window": ["9", "5@2,5", "5@4,5@2,5"]})
    }
    assert {passes for window, passes in found if window == "5@2,5"} == {(8, 2)}
    assert {passes for window, passes in found if window == "9"} == {5, 10, 20}
    assert {passes for window, passes in found if window == "5@4,5@2,5"} == {2, 4, 8}
    with pytest.raises(InputError, match=r"passes 6,4 do not fit window 9; expected one number"):
        configs_to_try(START, {"window": ["9"], "passes": ["6,4"]})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"window": 8}, "window size is 8; expected an odd number"),
        ({"passes": 0}, "passes is 0"),
        ({"passes": "many"}, "passes is 'many'; expected a whole number"),
        ({"window": 9, "passes": "6,4"}, r"passes has 2 numbers \(6,4\); expected one number, or 1 for window 9"),
        ({"window": "5@2,5", "passes": [3, 2, 1]}, "3 numbers .*, or 2 for window 5@2,5"),
        ({"passes": "6,,4"}, "passes is ''; expected a whole number"),
        ({"window": ""}, "window is ''; expected"),
        ({"window": []}, "window is empty; expected"),
        ({"window": ["3"] * 17}, "17 windows; expected at most 16"),
        ({"score_weight": -1}, "score_weight is -1; expected"),
        ({"score_weight": "much"}, "score_weight is 'much'; expected"),
        ({"cue_weight": 0}, "cue_weight is 0; expected"),
        ({"hardness": "hard"}, "hardness is 'hard'; expected a number above 0"),
        ({"guard": 2}, "guard is 2; expected a number above 0 and up to 0.5"),
        ({"guard": "sure"}, "guard is 'sure'; expected"),
        ({"scores": "softmax"}, "scores is 'softmax'; expected one of"),
        ({"cue": "rgb:norm"}, "cue is 'rgb:norm'; expected NAME or NAME:ARGUMENT=VALUE"),
        ({"grid": "tiles"}, "grid is 'tiles'; expected one of"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        START.replaced(**changes)


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match="'iterations'; expected one of cue, window, passes"):
        Sharpener(RGBCue(), iterations=3)  # type: ignore[call-arg]


def test_numbers_of_numpy_are_numbers() -> None:
    given: dict[str, Any] = {"window": np.int64(9), "passes": np.int32(3), "hardness": np.float32(2)}
    config = SharpenerConfig(**given, guard=np.float64(0.25))
    assert config == SharpenerConfig(window=9, passes=3, hardness=2.0, guard=0.25)
    assert json.loads(json.dumps(config.to_dict())) == config.to_dict()
    wrong: dict[str, Any] = {"passes": np.float32(2.5)}
    with pytest.raises(InputError, match="passes is"):
        SharpenerConfig(**wrong)
