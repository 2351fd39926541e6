"""The commands take data sets by their names, with the numbers of the same files as folders, and show class names."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crispseg.cli.main import main
from crispseg.data import VOC2012, LabelledImages
from tests.data.test_labelled_images import write_predictions
from tests.fakes import write_camvid, write_scored_folder, write_voc2012

QUICK = ["--cue", "rgb", "--window", "3", "--passes", "1"]


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    root = write_voc2012(tmp_path / "voc", train=1, val=3)
    write_predictions(VOC2012(root, "val"), tmp_path / "scores")
    return tmp_path


def evaluated(root: Path, *options: str) -> dict[str, Any]:
    result = root / "result.json"
    command = ["evaluate", "--predictions", str(root / "scores"), "--scores", "logits", *QUICK, "--json", str(result)]
    assert main([*command, *options]) == 0
    content: dict[str, Any] = json.loads(result.read_text())
    del content["milliseconds_per_image"]
    return content


def as_folders(root: Path) -> list[str]:
    """The same images and labels as plain folders."""
    for folder, source, ending in (("images", "JPEGImages", "jpg"), ("labels", "SegmentationClass", "png")):
        (root / folder).mkdir()
        for name in VOC2012(root / "voc", "val").image_names:
            (root / folder / f"{name}.{ending}").write_bytes((root / "voc" / source / f"{name}.{ending}").read_bytes())
    return ["--images", str(root / "images"), "--labels", str(root / "labels")]


def test_a_named_data_set_and_its_folders_give_the_same_numbers(voc: Path, capsys: pytest.CaptureFixture[str]) -> None:
    named = evaluated(voc, "--data", "voc2012", "--root", str(voc / "voc"))
    shown = capsys.readouterr().out
    assert "aeroplane" in shown
    assert "diningtable" not in shown
    assert "18 classes occur nowhere" in shown
    plain = evaluated(voc, *as_folders(voc), "--void", "255", "--num-classes", "21")
    assert plain == {**named, "class_names": [str(label) for label in range(21)]}
    assert named["class_names"][15] == "person"
    (voc / "names.txt").write_text("\n".join(named["class_names"]))
    folders = ["--images", str(voc / "images"), "--labels", str(voc / "labels"), "--void", "255"]
    assert evaluated(voc, *folders, "--class-names", str(voc / "names.txt")) == named


def test_tune_takes_a_named_data_set_and_names_the_classes_that_lose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_camvid(tmp_path / "camvid", split="val")
    named = ["--data", "camvid", "--root", str(tmp_path / "camvid")]
    (tmp_path / "scores").mkdir()
    rng = np.random.default_rng(3)
    for name in ("scene0", "scene1"):
        np.save(tmp_path / "scores" / f"{name}.npy", rng.normal(size=(11, 6, 8)))
    grid = ["--cue", "rgb", "--window", "3", "--hardness", "20", "--passes", "1"]
    command = ["tune", *named, "--predictions", str(tmp_path / "scores"), "--scores", "logits", *grid]
    assert main(command) == 0
    assert "classes that lose IoU: sky (-" in capsys.readouterr().out


@pytest.mark.slow  # makes a table
@pytest.mark.usefixtures("no_memory_process")
def test_the_table_names_the_classes_that_lose(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, rng = write_scored_folder(tmp_path, 4), np.random.default_rng(0)
    for index in (1, 3):  # which the table reports on
        np.save(root / "scores" / f"scene{index}.npy", rng.normal(size=(3, 6, 8)).astype(np.float32))
    (root / "names.json").write_text('{"0": "left|side", "2": "disc"}')
    folders = ["--images", str(root / "images"), "--labels", str(root / "labels"), "--void", "11"]
    names = ["--class-names", str(root / "names.json")]
    command = ["table", *folders, *names, "--predictions", str(root / "scores"), "--scores", "logits"]
    output = ["--output", str(root / "out"), "--rows", "PAMR", "--tune-every", "2"]
    assert main([*command, *output]) == 0
    table = json.loads((root / "out" / "table.json").read_text())
    assert table["class_names"] == ["left|side", "1", "disc"]
    before, after = (row["per_class"]["miou"] for row in table["rows"])
    lines = (root / "out" / "table.md").read_text().splitlines()
    (row,) = (line for line in lines if line.startswith("| PAMR | width"))
    names_of = {0: r"left\|side", 1: "1", 2: "disc"}
    losing = [f"{name} ({after[n] - before[n]:+.2f})" for n, name in names_of.items() if after[n] < before[n]]
    assert losing[0].startswith("left")
    assert {*row.rpartition(" | ")[2].removesuffix(" |").split(", ")} == {*losing}
    assert row.count("|") - row.count(r"\|") == 5


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        ([], ["--data folder needs --images and --labels", "voc2012"]),
        (["--data", "voc2012"], ["--data voc2012 needs --root"]),
        (["--data", "voc2012", "--root", "voc", "--void", "255"], ["--void", "--data voc2012", "root, split, sbd"]),
        (["--data", "voc2012", "--root", "voc", "--label-suffix", "_x"], ["--label-suffix", "--data voc2012"]),
        (["--data", "voc2012", "--root", "voc", "--class-names", "a"], ["--class-names", "--data voc2012"]),
        (["--data", "camvid", "--root", "voc", "--split", "all"], ["split is 'all'", "'train', 'val', 'test'"]),
        (["--data", "ade", "--root", "voc"], ["'ade'", "cityscapes"]),
        (["--images", "a", "--labels", "b", "--split", "val"], ["--split", "--data folder"]),
        (["--data", "coco", "--root", "voc", "--data-option", "labels"], ["'labels'", "NAME=VALUE"]),
        (["--data", "coco", "--root", "voc"], ["instances_val.json", "val2017"]),
        (["--data", "coco", "--root", "voc", "--data-option", "label=x"], ["label", "labels, empty"]),
    ],
)
def test_what_names_no_data_is_refused(
    options: list[str], facts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", "--predictions", "scores", *options]) == 2
    error = capsys.readouterr().err
    assert len(error.splitlines()) == 1
    for fact in facts:
        assert fact in error


def test_another_argument_of_a_data_set(voc: Path) -> None:
    from crispseg.cli.data import read_dataset  # noqa: PLC0415
    from crispseg.cli.parsers.evaluate import build_parser  # noqa: PLC0415
    from tests.fakes import write_bsds500  # noqa: PLC0415

    write_bsds500(voc / "bsds")
    said = ["--data", "bsds500-boundaries", "--root", str(voc / "bsds"), "--split", "train", "--predictions", "x"]
    data: LabelledImages = read_dataset(build_parser().parse_args([*said, "--data-option", "disputed=negative"]))
    assert data.description["disputed"] == "negative"
    assert int(data[0].labels.min()) == 0
