"""`crispseg figure` writes what its help says, and says what does not fit."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from crispseg.cli.main import main
from tests.fakes import write_boundaries, write_scored_folder
from tests.marks import needs_pydensecrf

METRIC = {"value": 60.0, "gain": 1.0, "low": 0.5, "high": 1.5}
ROW: dict[str, Any] = {
    "name": "ours",
    "group": "ours",
    "metrics": {"miou": METRIC, "trimap_4": METRIC},
    "milliseconds": 100,
    "peak_mb": None,
}
POINT = {"window": 9, "dilation": 1, "hardness": 5, "passes": 1, "miou": 0.5, "trimap_4": 0.8}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Three images with labels, scores and boundary maps, a table and a surface."""
    write_scored_folder(tmp_path)
    write_boundaries(tmp_path, tmp_path / "edges")
    oracle = ROW | {"name": "oracle", "group": "bound"}
    (tmp_path / "table.json").write_text(
        json.dumps({"rows": [ROW, ROW | {"name": "crf", "milliseconds": 900}, oracle]})
    )
    (tmp_path / "surface.json").write_text(json.dumps({"rows": [POINT, POINT | {"passes": 7, "miou": 1.5}]}))
    return tmp_path


def run(*arguments: object) -> int:
    return main([str(argument) for argument in arguments])


DATA = ["--images", "{}/images", "--labels", "{}/labels", "--void", "11"]
IMAGE = "{}/images/scene0.png"
FIGURES = {
    "boundary": ([IMAGE, "--predictions", "{}/scores/scene0.npy"], (6.9, 0.17 + 2 * 6.8 / 3 * 0.75 + 0.05)),
    "embedding": ([IMAGE, "--window", "9", "--pixels", "20,20", "40,30", "--cue", "rgb"], (6.9, None)),
    "comparison": ([*DATA, "--predictions", "{}/scores", "--count", "2", "--cue", "rgb"], (6.9, None)),
    "reliability": ([*DATA, "--every", "2"], (3.3, 2.75)),
    "passes": (["{}/surface.json"], (3.3, 3.6)),
    "speed": (["{}/table.json"], (6.9, 6.6)),
}


def command(root: Path, name: str, output: Path) -> list[object]:
    return ["figure", name, *(option.format(root) for option in FIGURES[name][0]), "--output", output]


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_has_its_size_and_is_the_same_every_time(name: str, root: Path) -> None:
    width, height = FIGURES[name][1]
    for suffix in ("png", "pdf"):
        files = [root / "out" / f"{index}.{suffix}" for index in range(2)]
        for file in files:
            assert run(*command(root, name, file)) == 0
        assert files[0].read_bytes() == files[1].read_bytes()
    with Image.open(root / "out" / "0.png") as picture:
        pixels = picture.size
        assert len(np.unique(np.asarray(picture.convert("L")))) > 10
    assert pixels[0] == round(300 * width)
    assert height is None or abs(pixels[1] - 300 * height) <= 1
    content = (root / "out" / "0.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", content)
    assert box
    assert float(box[1]) == pytest.approx(72 * width)
    assert float(box[2]) == pytest.approx(72 / 300 * pixels[1], abs=0.3)
    assert b"Date" not in content
    assert sorted(path.name for path in (root / "out").iterdir()) == ["0.pdf", "0.png", "1.pdf", "1.png"]


@pytest.mark.parametrize("cue", ["rgb", "soft", "contour"])
def test_distances_of_any_cue_are_drawn(cue: str, root: Path) -> None:
    edges = ["--boundaries", root / "edges"] if cue == "contour" else []
    assert run(*command(root, "reliability", root / "a.png"), "--cue", cue, *edges) == 0
    assert run(*command(root, "reliability", root / "b.png"), "--cue", cue, *edges, "--farthest", 0.1) == 0
    assert (root / "a.png").read_bytes() != (root / "b.png").read_bytes()


def test_images_are_those_that_are_named(root: Path) -> None:
    pictures = {}
    for names in ("scene0", "scene2", "scene0 scene2"):
        assert run(*command(root, "comparison", root / "rows.png"), "--names", *names.split()) == 0
        pictures[names] = np.asarray(Image.open(root / "rows.png"))[60:, :500]  # the images
    first, second = pictures["scene0"], pictures["scene2"]
    both = pictures["scene0 scene2"]
    assert not np.array_equal(first, second)
    assert np.abs(both[100:300].astype(int) - first[100:300]).mean() < 3
    assert np.abs(both[-300:-100].astype(int) - second[-300:-100]).mean() < 3


@needs_pydensecrf
def test_a_crf_adds_two_columns_where_its_package_is(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    heights = []
    for options in ([], ["--crf", "0.5,20,60,0,1"]):
        assert run(*command(root, "comparison", root / "rows.png"), *options) == 0
        heights.append(len(np.asarray(Image.open(root / "rows.png"))))
    assert heights[1] < 0.75 * heights[0]  # six columns at the width of four
    monkeypatch.setitem(sys.modules, "pydensecrf", None)
    assert run(*command(root, "comparison", root / "none.png"), "--crf", "MSc") == 2
    assert "install it with: pip install 'crispseg[crf]'" in capsys.readouterr().err
    assert not (root / "none.png").exists()


def test_rows_are_chosen_and_the_oracle_is_left_out(root: Path) -> None:
    pictures = []
    for options in ([], ["--rows", "ours", "crf"], ["--rows", "ours", "crf", "oracle"]):
        assert run(*command(root, "speed", root / "speed.png"), *options) == 0
        pictures.append((root / "speed.png").read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


ERRORS = {
    "no figure": ([], "the following arguments are required: FIGURE"),
    "another figure": (["graph"], "argument FIGURE: invalid choice: 'graph'"),
    "another ending": (["speed", "{}/none.json", "--output", "{}/a.jpg"], "output {}/a.jpg: unknown ending; expected"),
    "a folder": (["speed", "{}/table.json", "--output", "{}/folder.png"], "{}/folder.png: not a regular file"),
    "no table": (["speed", "{}/none.json"], "{}/none.json: cannot be read as JSON; expected a table.json"),
    "an image for a table": (
        ["speed", "{}/images/scene0.png"],
        "{}/images/scene0.png: cannot be read as JSON; expected a table.json",
    ),
    "a surface for a table": (
        ["speed", "{}/surface.json"],
        "{}/surface.json: row 1 has no 'metrics'; expected a table",
    ),
    "a list for a table": (["speed", "{}/list.json"], "{}/list.json: has no rows; expected a table.json"),
    "words for rows": (["speed", "{}/words.json"], "{}/words.json: row 1 is not as expected"),
    "a word for a number": (["passes", "{}/word.json"], "{}/word.json: row 2 is not as expected ('miou' is 'high'"),
    "a table for a surface": (["passes", "{}/table.json"], "{}/table.json: row 1 has no 'window'; expected a surface"),
    "no such row": (["speed", "{}/table.json", "--rows", "x"], "{}/table.json: no row 'x'; expected one of ours, crf"),
    "only the oracle": (["speed", "{}/oracle.json"], "{}/oracle.json: the oracle is the only row; name it with --rows"),
    "a pixel outside": (
        ["embedding", IMAGE, "--pixels", "64,0"],
        "pixel 64,0 lies outside the image; expected x below",
    ),
    "no pixel": (["embedding", IMAGE, "--pixels", "3"], "pixel '3': expected two whole numbers with a comma, x,y"),
    "an even patch": (
        ["embedding", IMAGE, "--cue", "rgb", "--patch", "8"],
        "patch is 8 pixels; expected an odd number",
    ),
    "no patch": (["embedding", IMAGE, "--cue", "rgb", "--patch", "0"], "patch is 0 pixels; expected an odd number"),
    "no pass": (["embedding", IMAGE, "--passes", "0"], "passes is 0; expected a whole number of 1 or more"),
    "no hardness": (["embedding", IMAGE, "--hardness", "0"], "hardness is 0; expected a number above 0"),
    "an even window": (["embedding", IMAGE, "--window", "8"], "window size is 8; expected an odd number such as 9"),
    "contours for an embedding": (
        ["embedding", IMAGE, "--cue", "contour"],
        "--cue contour has no embedding to draw; take one that compares embeddings",
    ),
    "nothing of ours": (
        ["comparison", *DATA, "--predictions", "{}/scores", "--cue", "none", "--crf", "MSc"],
        "--cue none leaves no result of crispseg to draw; choose a cue",
    ),
    "no such image": (
        ["comparison", *DATA, "--predictions", "{}/scores", "--names", "x"],
        "no image 'x' in the data set; the first is 'scene0'",
    ),
    "no image": (["comparison", *DATA, "--predictions", "{}/scores", "--count", "0"], "count is 0; expected a whole"),
    "no cue": (["reliability", *DATA, "--cue", "none"], "--cue none has no distances to draw; choose a cue"),
    "no range": (["reliability", *DATA, "--farthest", "0"], "farthest is 0.0; expected a number above 0"),
    "every none": (["reliability", *DATA, "--every", "0"], "every is 0; expected a whole number of 1 or more"),
    "no prediction": (["boundary", IMAGE, "--predictions", "{}/none.npy"], "prediction {}/none.npy: no such file"),
    "a middle outside": (
        ["boundary", IMAGE, "--predictions", "{}/scores/scene0.npy", "--cue", "rgb", "--middle", "0,48"],
        "pixel 0,48 lies outside the image; expected x below 64 and y below 48",
    ),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=needs_pydensecrf if case == "nothing of ours" else ()) for case in ERRORS]
)
def test_what_does_not_fit_is_one_line(case: str, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "folder.png").mkdir()
    (root / "list.json").write_text("[1, 2]")
    (root / "words.json").write_text('{"rows": ["one", "two"]}')
    (root / "word.json").write_text(json.dumps({"rows": [POINT, POINT | {"miou": "high"}]}))
    (root / "oracle.json").write_text(json.dumps({"rows": [ROW | {"group": "bound"}]}))
    given, message = ERRORS[case]
    arguments = [argument.format(root) for argument in given]
    if arguments and arguments[0] in FIGURES and "--output" not in arguments:
        arguments += ["--output", str(root / "out.png")]
    assert run("figure", *arguments) == 2
    error = capsys.readouterr().err
    assert message.format(root) in error, error
    assert error.count("\n") == 1
    assert not (root / "out.png").exists()


def test_help_of_every_figure_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    for name in FIGURES:
        with pytest.raises(SystemExit) as exit_:
            run("figure", name, "--help")
        assert exit_.value.code == 0
        printed = capsys.readouterr().out
        assert f"usage: crispseg figure {name}" in printed
        assert f"examples:\n  crispseg figure {name} " in printed
