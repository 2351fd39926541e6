"""Soft masks and masks of objects: what the page reads, computes and gives away."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from PIL import Image

from crispseg import Sharpener, sharpen_masks
from crispseg.app.answers import write_label_map, write_sharp_scores
from crispseg.app.contents import defaults_of, names_said
from crispseg.app.limits import Limits
from crispseg.app.recipe import Recipe
from crispseg.app.session import Session
from crispseg.app.settings import Cues, offered_cue
from crispseg.cue_config import CueConfig
from crispseg.errors import InputError
from tests.app.conftest import Given
from tests.app.test_recipe import lay_out, run_python

STACK = np.zeros((2, 6, 8), np.float32)
STACK[0, 1:4, 1:4] = STACK[1, 3:6, 3:8] = 1  # they overlap


@pytest.fixture
def session(given: Given, tmp_path: Path) -> Session:
    session = Session(Cues(), Limits(), tmp_path)
    session.desk.load_image(given.image)
    return session


def write_masks(folder: Path, form: str) -> Path:
    """A stack of logits or of bools, or a picture of the numbers of the objects."""
    if form == "numbers":
        numbers = np.where(STACK[1] > 0, 9, np.where(STACK[0] > 0, 4, 0)).astype(np.uint8)
        Image.fromarray(numbers).save(folder / "masks.png")
        return folder / "masks.png"
    if form == "logits":
        np.save(folder / "masks.npy", 6 * STACK - 3)
        return folder / "masks.npy"
    np.savez(folder / "masks.npz", STACK > 0)
    return folder / "masks.npz"


@pytest.mark.parametrize(("form", "cue"), [("logits", "learned fast"), ("bools", "rgb"), ("numbers", "learned fast")])
def test_objects_are_sharpened_as_the_library_does_and_its_lines_say(
    session: Session, tmp_path: Path, form: str, cue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.desk.load_prediction(write_masks(tmp_path, form), content="objects")
    config = defaults_of("objects", offered_cue(cue).cue)
    path = write_label_map(session, config)
    masks = STACK > 0 if form == "bools" else 6 * STACK - 3
    if form == "numbers":
        masks = np.stack([(STACK[0] > 0) & (STACK[1] == 0), STACK[1] > 0])
    expected = sharpen_masks(
        session.desk.inputs.image,
        masks,
        scores="multilabel" if form == "logits" else None,
        sharpener=Sharpener.from_config(config),
    )
    recipe = Recipe(session.desk.inputs, config)
    assert recipe.scores_name is None
    assert recipe.command_line().startswith("#")
    lay_out(recipe, tmp_path / "desk", monkeypatch)
    run_python(recipe)
    if form == "numbers":
        assert path.suffix == ".png"
        given_away, written = (np.asarray(Image.open(each)) for each in (path, recipe.labels_name))
        assert set(np.unique(given_away)) == {0, 4, 9}
        assert np.array_equal(given_away == 9, expected[1])
    else:
        given_away, written = (np.load(each) for each in (path, recipe.labels_name))
        if form == "bools":
            assert path.suffix == ".npz"
            ((given_away,), (written,)) = given_away.values(), written.values()
        assert given_away.dtype == np.bool_
        assert np.array_equal(given_away, expected)
    assert np.array_equal(given_away, written)
    lines = recipe.python_lines()
    assert ("Sharpener" in lines) == (cue == "rgb"), "only what is not the default is said"


@pytest.mark.parametrize("form", ["parts of cells", "bools"])
def test_the_masks_of_a_pixel_are_those_of_the_filter_that_its_object_goes_through(
    session: Session, tmp_path: Path, form: str
) -> None:
    rows, columns = torch.meshgrid(torch.arange(48.0), torch.arange(64.0), indexing="ij")
    cells = F.avg_pool2d(((rows - 24).hypot(columns - 30) < 17).float()[None], 4).numpy()
    np.save(tmp_path / "masks.npy", cells > 0.5 if form == "bools" else cells)
    session.desk.load_prediction(tmp_path / "masks.npy", "probabilities", content="objects")
    config = defaults_of("objects", offered_cue("rgb").cue)
    assert config.hardness == 5
    found = session.masks((30, 8), config)
    hardness, window = (5.0, "5@16,5@8,5@4,5@2,5") if form == "bools" else (7.5, "5")
    assert (found.config.hardness, found.config.texts()["window"]) == (hardness, window)
    step = found.config.windows[0].dilation
    colours = session.desk.inputs.image[:, 8, :].float() / 255
    apart = float((colours[:, 30] - colours[:, 30 + step]).abs().sum())
    assert float(found.one_pass[8, 30 + step]) == pytest.approx(math.exp(-hardness * apart), rel=1e-4)


def test_a_soft_mask_is_said_to_be_one(session: Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mask.png"
    Image.fromarray(np.linspace(0, 255, 64).astype(np.uint8)[None].repeat(48, 0)).save(path)
    with pytest.raises(InputError, match="pass scores='probabilities'"):
        session.desk.load_prediction(path, content="classes")
    with pytest.raises(InputError, match=r"masks .*mask.png: its greys form ramps, like one soft mask"):
        session.desk.load_prediction(path, content="objects")
    session.desk.say("probabilities", content="mask")  # which tries it again
    config = offered_cue("rgb").start
    recipe = Recipe(session.desk.inputs, config)
    scores = write_sharp_scores(session, config)
    assert scores.suffix == ".npy"
    lay_out(recipe, tmp_path / "desk", monkeypatch)
    run_python(recipe)
    assert np.array_equal(np.load(scores), np.load(recipe.scores_name or ""))
    session.desk.load_prediction(path, content="mask")
    np.save(tmp_path / "two.npy", np.zeros((2, 6, 8), np.float32))
    with pytest.raises(InputError, match=r"two.npy: holds 2 channels; expected one soft mask"):
        session.desk.load_prediction(tmp_path / "two.npy", "multilabel_probabilities")
    assert session.desk.said.content == "mask"


def test_masks_too_large_or_of_another_kind_are_refused(session: Session, tmp_path: Path) -> None:
    np.save(tmp_path / "p.npy", np.random.default_rng(0).random((3, 12, 16), np.float32))
    session.desk.say(content="objects")
    with pytest.raises(InputError, match=r"p.npy: .*declared as multilabel, but range"):
        session.desk.load_prediction(tmp_path / "p.npy", "logits")
    session.desk.say("probabilities")
    assert session.desk.inputs.prediction.kind == "multilabel_probabilities"
    with pytest.raises(InputError, match="holds 576 numbers when unpacked; expected at most 160"):
        Limits(megapixels=1e-5).read_object_masks(tmp_path / "p.npy")
    with pytest.raises(InputError, match="content is 'photograph'; expected"):
        session.desk.say(content="photograph")


def test_what_a_sample_says_goes_with_it(session: Session, given: Given) -> None:
    session.desk.load_sample("flowers")
    assert session.desk.said.content == "objects"
    assert session.desk.names.names[1] == "dahlia"
    session.desk.load_image(given.image)
    session.desk.load_prediction(given.scores)
    assert (session.desk.said.content, session.desk.names.names) == ("classes", ())


def test_the_defaults_depend_on_what_the_prediction_holds() -> None:
    learned = offered_cue("learned fast").cue
    assert [defaults_of(content, learned).hardness for content in ("classes", "mask", "objects")] == [1.5, 1.5, 4]
    assert str(defaults_of("objects", CueConfig("rgb")).window) == "5@16,5@8,5@4,5@2,5"


def test_names_are_those_of_a_data_set_or_typed() -> None:
    assert names_said("Cityscapes").names[:2] == ("road", "sidewalk")
    assert names_said("a, ,c").names == ("a", "", "c")
    assert names_said("numbers").names == names_said(None).names == ()
    with pytest.raises(InputError, match="both called 'a'"):
        names_said("a,a")
    assert torch.tensor(names_said("CamVid").palette).numel() == 33
