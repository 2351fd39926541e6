"""Every field of a sharpener's config is a control of the page, reaches the sharpener, and stands in the recipe."""

import json
import shlex
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor

from crispseg import Sharpener
from crispseg.app.answers import write_label_map, write_sharp_scores
from crispseg.app.limits import Limits
from crispseg.app.recipe import Recipe
from crispseg.app.session import Session
from crispseg.app.settings import Cues, control_value, offered_cue, offered_cues, read_controls
from crispseg.cli.main import main
from crispseg.config import options
from crispseg.cue_config import CueConfig
from crispseg.cues.cue import EmbeddingCue
from crispseg.data import read_image, read_prediction
from crispseg.inference.one_image import sharpen_one
from crispseg.options import flag
from crispseg.registry import CUES
from tests.app.conftest import Given
from tests.app.requests import fetch, tell
from tests.app.test_recipe import lay_out

START = offered_cue("rgb").start.replaced(passes=2, hardness=5)
OTHER = {
    "cue": "soft",
    "window": "5@2",
    "passes": "3",
    "hardness": 2.5,
    "cue_weight": "0.8",
    "score_weight": "0.4",
    "scores": "multilabel",
    "upsampling": "bilinear",
    "guard": "0.35",
    "grid": "corners",
    "negligible": "0.02",
}
"""Another value for each field, as its control sends it."""

FIELDS = [name for name, _ in options()]


def test_there_is_another_value_for_every_field() -> None:
    assert list(OTHER) == FIELDS


@pytest.fixture
def session(given: Given, tmp_path: Path) -> Session:
    session = Session(Cues(), Limits(), tmp_path)
    session.desk.load_image(given.image)
    session.desk.load_prediction(given.scores, "logits")
    session.config = START
    return session


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_is_a_control_whose_value_reaches_the_recipe_on_the_page(address: str, field: str) -> None:
    config = json.loads(fetch(f"{address}config")[1])
    (control,) = (part for part in config["components"] if part["props"].get("elem_id") == field)
    option = dict(options())[field]
    assert control["props"]["label"] == option.label
    value = OTHER[field]
    tell(address, "sample-pagoda", "click", [], f"field-{field}")
    told = tell(address, field, "input", [], f"field-{field}", **{field: value}).decode()
    assert f"{flag(field)} {value}" in told
    assert told.count('role=\\"alert') == 0


@pytest.mark.parametrize("field", FIELDS)
def test_a_field_changes_the_sharpener_that_the_session_uses(session: Session, given: Given, field: str) -> None:
    session.sharpen(START)
    config = read_controls({field: OTHER[field]}, START).config
    assert getattr(config, field) != getattr(START, field)
    assert [name for name in FIELDS if getattr(config, name) != getattr(START, name)] == [field]
    session.desk.say(config.scores, config.grid)
    result, prediction = session.sharpen(config), read_prediction(given.scores, config.scores)
    expected = sharpen_one(read_image(given.image), prediction, Sharpener.from_config(config))
    assert torch.equal(result.after, expected.after)
    assert result.scores is not None
    assert expected.scores is not None
    assert torch.equal(result.scores, expected.scores)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("of", ["scores", "labels"])
def test_a_field_stands_in_both_forms_of_the_recipe_which_give_the_result(
    session: Session, given: Given, field: str, of: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "stretched" if field == "grid" else OTHER[field]
    config = read_controls({field: value}, START).config
    session.desk.load_prediction(getattr(given, of), config.scores, config.grid)
    recipe = Recipe(session.desk.inputs, config)
    words = shlex.split(recipe.command_line().replace("\\\n", " "))
    text = config.texts()[field]
    assert words[words.index(flag(field)) + 1] == text
    lines = recipe.python_lines()
    literal = dict(options())[field].write(getattr(config, field))
    said = str(config.cue) if field == "cue" else literal
    assert f"{field}={json.dumps(said)}" in lines
    labels = write_label_map(session, config).read_bytes()
    scores = write_sharp_scores(session, config).read_bytes() if of == "scores" else None
    lay_out(recipe, session.desk.folder / "desk", monkeypatch)
    assert main(words[1:]) == 0
    exec(compile(lines, "lines", "exec"), {})
    assert Path("crisp/scene0.png").read_bytes() == Path("scene0_crisp.png").read_bytes() == labels
    if scores is not None:
        assert Path("scene0_crisp.npz").read_bytes() == scores


def test_windows_and_passes_change_together() -> None:
    """Each alone would not fit the other's old value."""
    ladder = read_controls({"window": "5@4,5@2,5", "passes": "6,4,2"}, START)
    assert not ladder.errors
    assert (str(ladder.config.window), ladder.config.passes) == ("5@4,5@2,5", (6, 4, 2))
    back = read_controls({"passes": "5", "window": "9"}, ladder.config)
    assert not back.errors
    assert (str(back.config.window), back.config.passes) == ("9", 5)


def test_passes_that_do_not_fit_the_windows_are_told_and_the_page_goes_on() -> None:
    ladder = START.replaced(window="5@2,5", passes=(6, 4))
    (error,) = (reading := read_controls({"passes": "6,4,2", "guard": "0.3"}, ladder)).errors.values()
    assert "3 numbers (6,4,2)" in str(error)
    assert "2 for window 5@2,5" in str(error)
    assert reading.config == ladder.replaced(guard=0.3)
    longer = read_controls({"window": "5@4,5@2,5", "passes": "6,4"}, ladder)
    assert len(longer.errors) == 1
    assert longer.config == ladder.replaced(window="5@4,5@2,5", passes=4)


def test_one_window_becomes_several_on_the_page_with_their_usual_passes(address: str) -> None:
    tell(address, "sample-pagoda", "click", [], "ladder")
    told = tell(address, "window", "input", [], "ladder", window="5@4,5@2,5").decode()
    assert "--window 5@4,5@2,5" in told
    assert "--passes" not in told, "the usual number need not be said"
    told = tell(address, "passes", "input", [], "ladder", window="5@4,5@2,5", passes="6,4,2").decode()
    assert "--passes 6,4,2" in told
    assert told.count('role=\\"alert') == 0
    told = tell(address, "passes", "input", [], "ladder", window="5@4,5@2,5", passes="6,4").decode()
    assert "2 numbers (6,4)" in told


def test_what_cannot_be_read_keeps_its_last_value_and_the_rest_is_read() -> None:
    reading = read_controls({"window": "8", "guard": "2", "passes": 3, "cue": "nothing"}, START)
    assert reading.config == START.replaced(passes=3)
    assert list(reading.errors) == ["window", "guard", "cue"]
    told = " ".join(map(str, reading.errors.values()))
    assert "window size is 8; expected an odd number such as 9" in told
    assert "guard is 2" in told
    assert "cue is 'nothing'" in told
    assert "'learned best'" in told


def test_a_recipe_says_arguments_and_precision_of_a_cue(session: Session) -> None:
    cue = CueConfig("learned", (("norm", 2),), "fast", "bfloat16")
    recipe = Recipe(session.desk.inputs, START.replaced(cue=cue))
    words = shlex.split(recipe.command_line().replace("\\\n", " "))
    for name, text in (("cue", "learned:norm=2"), ("precision", "bfloat16")):
        assert words[words.index(f"--{name}") + 1] == text
    known: dict[str, Any] = {}
    head = recipe.python_lines().split("image =")[0]
    exec(compile(head, "lines", "exec"), known)
    assert known["sharpener"].config.cue == cue


def test_learned_embeddings_and_colours_are_offered_and_their_recipe_gives_the_result(
    session: Session, given: Given, monkeypatch: pytest.MonkeyPatch
) -> None:
    choice = offered_cues()["learned+rgb fast"]
    assert choice.title == "learned embeddings and colours, fast"
    assert (choice.start.hardness, choice.start.passes) == (1.5, 4)
    config = read_controls({"cue": "learned+rgb fast"}, START).config
    assert control_value("cue", config) == "learned+rgb fast"
    session.desk.load_prediction(given.scores, config.scores, config.grid)
    recipe = Recipe(session.desk.inputs, config)
    words, lines = shlex.split(recipe.command_line().replace("\\\n", " ")), recipe.python_lines()
    assert words[words.index("--cue") + 1] == "learned+rgb"
    assert 'cue="learned+rgb"' in lines
    labels, scores = (write(session, config).read_bytes() for write in (write_label_map, write_sharp_scores))
    lay_out(recipe, session.desk.folder / "desk", monkeypatch)
    assert main(words[1:]) == 0
    exec(compile(lines, "lines", "exec"), {})
    assert Path("crisp/scene0.png").read_bytes() == Path("scene0_crisp.png").read_bytes() == labels
    assert Path("scene0_crisp.npz").read_bytes() == scores


def test_a_cue_of_another_package_is_offered_and_used(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CUES, "_defined", dict(CUES._defined))

    class Green(EmbeddingCue, name="green"):
        default_hardness: ClassVar[float] = 12.5
        default_passes: ClassVar[int] = 4
        summary: ClassVar[str] = "the green channel; nothing is learned"

        def __init__(self, norm: int = 1) -> None:
            super().__init__(norm)

        def forward(self, image: Tensor) -> Tensor:
            return image[:, 1:2]

    assert offered_cues()["green"].title == "the green channel"
    config = offered_cue("green").start
    assert (control_value("cue", config), config.hardness, config.passes) == ("green", 12.5, 4)
    result = session.sharpen(config)
    assert (result.before != result.after).any()


def test_a_cue_that_cannot_be_imported_is_left_out(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    gone = EntryPoint("gone", "nowhere:Cue", CUES.group)
    monkeypatch.setattr("crispseg.registry.entry_points", lambda group, name=gone.name: [gone])
    assert "rgb" in offered_cues()
    assert "gone" not in offered_cues()
    assert "gone" in caplog.text
