"""The command line and the lines of Python give what the page gives away, bit for bit."""

import shlex
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from crispseg.app.answers import write_inputs, write_label_map, write_sharp_scores
from crispseg.app.limits import Limits
from crispseg.app.recipe import Recipe
from crispseg.app.session import Session
from crispseg.app.settings import Cues, offered_cue, offered_cues
from crispseg.cli.main import main
from crispseg.data import read_prediction, write_scores
from crispseg.errors import InputError
from tests.app.conftest import Given

RGB = offered_cue("rgb").start.replaced(hardness=7.3, passes=2)


def start(folder: Path, image: Path, prediction: Path, boundary: Path | None = None) -> Session:
    session = Session(Cues(), Limits(), folder)
    session.desk.load_image(image)
    session.desk.load_prediction(prediction, "logits")
    if boundary is not None:
        session.desk.load_boundary(boundary)
    return session


def lay_out(recipe: Recipe, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the files as the recipe names them, to work in."""
    for name, file in recipe.files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(file.read_bytes())
    monkeypatch.chdir(folder)


def run_command(recipe: Recipe) -> None:
    command, *arguments = shlex.split(recipe.command_line().replace("\\\n", " "))
    assert command == "crispseg"
    assert main(arguments) == 0


def run_python(recipe: Recipe) -> None:
    exec(compile(recipe.python_lines(), "lines", "exec"), {})


@pytest.mark.parametrize("cue", offered_cues())
def test_both_give_the_files_of_the_page(
    given: Given, boundary: Path, tmp_path: Path, cue: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = start(tmp_path, given.image, given.scores, boundary)
    config = offered_cue(cue).start.replaced(window="5@2", hardness=3.3, passes=3)
    labels, scores = write_label_map(session, config), write_sharp_scores(session, config)
    recipe = Recipe(session.desk.inputs, config)
    lay_out(recipe, tmp_path / "desk", monkeypatch)
    run_command(recipe)
    assert Path("crisp/scene0.png").read_bytes() == labels.read_bytes()
    saved = read_prediction(Path("crisp/scores/scene0.safetensors")).scores
    assert torch.equal(saved, torch.from_numpy(np.load(scores)["scores"]))
    run_python(recipe)
    assert Path("scene0_crisp.png").read_bytes() == labels.read_bytes()
    assert Path("scene0_crisp.npz").read_bytes() == scores.read_bytes()


def test_a_label_map_of_the_same_name_is_looked_for_in_a_folder(
    given: Given, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = start(tmp_path, given.image, given.labels)
    recipe = Recipe(session.desk.inputs, RGB)
    assert list(recipe.files()) == ["scene0.png", "predictions/scene0.png"]
    assert recipe.scores_name is None
    with pytest.raises(InputError, match="was a label map and has no scores"):
        write_sharp_scores(session, RGB)
    lay_out(recipe, tmp_path / "desk", monkeypatch)
    run_command(recipe)
    run_python(recipe)
    labels = write_label_map(session, RGB).read_bytes()
    assert Path("crisp/scene0.png").read_bytes() == Path("scene0_crisp.png").read_bytes() == labels


@pytest.mark.parametrize("name", ["--output.png", 'it\'s $HOME; "x".png', "zwei wörter.png"])
def test_any_file_name_is_taken_as_one(
    given: Given, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = given.image.rename(given.image.with_name(name))
    session = start(tmp_path, image, given.scores)
    recipe = Recipe(session.desk.inputs, RGB)
    lay_out(recipe, tmp_path / "desk", monkeypatch)
    run_command(recipe)
    run_python(recipe)
    assert Path("crisp", name).read_bytes() == Path(f"{image.stem}_crisp.png").read_bytes()


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_scores_come_back_in_the_format_that_they_came_in(given: Given, tmp_path: Path, suffix: str) -> None:
    session = start(tmp_path, given.image, given.scores)
    said = session.desk.inputs.prediction
    write_scores(tmp_path / f"said{suffix}", said.scores, said)
    session = start(tmp_path, given.image, tmp_path / f"said{suffix}")
    path = write_sharp_scores(session, RGB)
    assert path.suffix == suffix
    scores = session.sharpen(RGB).scores
    assert scores is not None
    assert torch.equal(read_prediction(path).scores, scores)


def test_the_archive_of_a_sample_holds_what_its_command_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session(Cues(), Limits(), tmp_path)
    session.desk.load_sample("pagoda")
    (tmp_path / "desk").mkdir()
    with zipfile.ZipFile(write_inputs(session, RGB)) as archive:
        archive.extractall(tmp_path / "desk")
    monkeypatch.chdir(tmp_path / "desk")
    run_command(Recipe(session.desk.inputs, RGB))
    assert Path("crisp/pagoda.png").read_bytes() == write_label_map(session, RGB).read_bytes()
