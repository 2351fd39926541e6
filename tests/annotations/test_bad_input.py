"""Bad annotations end in one line that says what to do, and nothing is lost or half-written."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from crispseg.annotations import texts
from crispseg.cli.main import main
from tests.annotations.files import WRITERS, write_images

Edit = Callable[[Path], object]


def change(**fields: object) -> Edit:
    """Return what changes fields of the first annotation of COCO."""

    def edit(path: Path) -> None:
        said = json.loads(path.read_text())
        said["annotations"][0] |= fields
        path.write_text(json.dumps(said))

    return edit


def replace(old: str, new: str, name: str = "") -> Edit:
    """Return what replaces text in a file, or in one of a folder."""

    def edit(path: Path) -> None:
        file = path / name if name else path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new, 1))

    return edit


BOMB = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><annotations>&b;</annotations>'

UTF_16 = (
    '<?xml version="1.0" encoding="utf-16"?><annotations><image name="a.png" width="48" height="40">'
    '<mask label="cat" rle="0, 4" left="1" top="1" width="2" height="2"/></image></annotations>'
).encode("utf-16")

ENDING: list[tuple[str, Edit, list[str]]] = [
    ("coco", change(image_id=7), ["1 annotations", "image_id", "annotation 11", "7", "add it to images"]),
    ("coco", change(category_id="cow"), ["category_id", "'cow'", "add it to categories"]),
    ("coco", change(id=12), ["annotation id 12 occurs twice"]),
    ("coco", replace('"id": 2, "file', '"id": 1, "file'), ["image id 1 occurs twice"]),
    ("coco", replace('"categories"', '"kinds"'), ["'categories'", "is missing", "expected a list"]),
    ("coco", lambda path: path.write_text("[" * 100_000), ["--format", "neither"]),
    ("labelme", lambda path: [file.write_text("{}") for file in path.iterdir()], ["a.json", "--format", "neither"]),
    ("cvat", lambda path: path.write_text(BOMB), ["CVAT", "DTDForbidden", "export it again"]),
    ("cvat", lambda path: path.write_bytes(UTF_16), ["cvat.xml", "encoding", "save it as UTF-8"]),
    ("cvat", replace("<image ", "<track></track><image "), ["tracks of a video", "CVAT for images"]),
    ("cvat", replace('<polygon label="cat"', '<polygon label="cow"'), ["'cow'", "<labels>"]),
    ("cvat", replace('name="b.png"', 'name="a.png"'), ["'a.png' occurs twice"]),
]
"""Faults of a whole file."""

STAYING: list[tuple[str, Edit, list[str]]] = [
    ("coco", change(segmentation={"size": [9, 9], "counts": [81]}), ["annotation 11", "9×9", "40×48"]),
    ("coco", change(segmentation={"size": [40, 48], "counts": "1"}), ["annotation 11", "does not hold 1920 pixels"]),
    ("coco", change(segmentation=[[90, 90, 99, 90, 99, 99]]), ["annotation 11", "outside of the image"]),
    ("coco", change(segmentation=[[1, 2, 3]]), ["annotation 11", "x and y in turn"]),
    ("coco", change(segmentation=[[1, 2, 9, "a", 9, 9]]), ["annotation 11", "check it", "'a'"]),
    ("coco", change(segmentation={"size": 9, "counts": [81]}), ["annotation 11", "check it", "TypeError"]),
    ("coco", replace('"category_id": 0, ', ""), ["annotation 11", "check it", "'category_id'"]),
    ("cvat", replace(' points="', ' places="'), ["'a.png'", "shape 2", "check it", "'points'"]),
    ("labelme", replace('"label": "cat"', '"name": "cat"', "a.json"), ["shape 1", "check it", "'label'"]),
    ("labelme", replace('"points": [', '"points": [7, ', "a.json"), ["shape 1", "check it"]),
    ("coco", replace("b.png", "c.png"), ["'c.png' is not in", "add it"]),
    ("coco", replace('"height": 40', '"height": 41'), ["40×48 pixels", "say 41×48"]),
    ("coco", replace('"height": 40, "width": 48', '"height": 48, "width": 40'), ["stored turned", "upright"]),
    ("yolo", replace("0 0.125000", "0 nan", "a.txt"), ["line 1", "not finite"]),
    ("yolo", replace("0 0.125000", "0", "a.txt"), ["line 1", "7 numbers"]),
    ("labelme", lambda path: (path / "b.json").write_text("{"), ["b.json", "cannot be read as JSON"]),
    ("labelme", lambda path: (path / "_.json").write_text("{"), ["_.json", "cannot be read as JSON"]),
    ("yolo", replace("0 0.125000", "cat 0.125000", "a.txt"), ["line 1", "no line of numbers"]),
    ("yolo", replace("0 0.125000", "0.5 0.125000", "a.txt"), ["line 1", "class 0.5", "whole number"]),
    ("yolo", lambda path: (path / "b.txt").write_text("1,0.125,0.2,0.5,0.2,0.5,0.75"), ["line 1", "with spaces"]),
    ("voc", lambda path: Image.new("L", (9, 9), 1).save(path / "SegmentationClass/a.png"), ["40×48", "9×9"]),
]
"""Faults of one object, image or file of several: the others are still compared, and all is kept."""


def run(root: Path, path: Path, *options: str) -> int:
    places = ["--images", str(root / "images"), "--output", str(root / "out")]
    return main(["annotations", str(path), *places, "--cue", "rgb", "--window", "3", *options])


@pytest.mark.parametrize(("name", "edit", "facts"), ENDING)
def test_a_file_that_contradicts_itself_ends_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, edit: Edit, facts: list[str]
) -> None:
    write_images(tmp_path)
    edit(path := WRITERS[name](tmp_path))
    assert run(tmp_path, path) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not [fact for fact in [*facts, str(path)] if fact not in error], error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("name", "edit", "facts"), STAYING)
def test_a_faulty_part_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, edit: Edit, facts: list[str]
) -> None:
    write_images(tmp_path)
    edit(path := WRITERS[name](tmp_path))
    assert run(tmp_path, path, "--passes", "1") == 1
    printed = capsys.readouterr()
    (line,) = [line for line in printed.err.splitlines() if "passed over" in line]
    assert not [fact for fact in facts if fact not in line], line
    assert "; 1 faults; " in printed.out
    assert run(tmp_path, path, "--strict") == 2


@pytest.mark.parametrize(
    ("options", "facts"),
    [
        (["--band", "0"], ["--band is 0", "above 0"]),
        (["--certainty", "0.4"], ["--certainty is 0.4", "0.5 or more"]),
        (["--memory", "much"], ["memory is 'much'", "expected a size such as 2GiB"]),
        (["--as", "rle"], ["--as rle", "yolo"]),
        (["--decisions", "none.json"], ["none.json", "no such file"]),
        (["--format", "coco"], ["no file ends in .json"]),
        (["--review-count", "7"], ["--review-count is given without --review"]),
    ],
)
def test_options_that_make_no_sense(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    facts: list[str],
) -> None:
    write_images(tmp_path)
    path = WRITERS["yolo"](tmp_path)
    monkeypatch.chdir(tmp_path)
    assert run(tmp_path, path, "--strict", *options) == 2
    error = capsys.readouterr().err
    assert not [fact for fact in facts if fact not in error], error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["voc", "yolo"])
def test_a_class_without_a_name_is_a_fault_of_its_objects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    write_images(tmp_path)
    path = WRITERS[name](tmp_path)
    names = tmp_path / "names.json"
    names.write_text('{"0": "cat", "8": "cat of VOC", "10": "cow"}')
    assert run(tmp_path, path, "--class-names", str(names)) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "passed over" in line]
    assert len(lines) == 2, "the dogs"
    assert all("which has no name" in line and "--class-names" in line for line in lines)


def test_options_that_would_have_no_effect(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path)
    (tmp_path / "names.txt").write_text("cat\n")
    assert run(tmp_path, WRITERS["coco"](tmp_path), "--class-names", str(tmp_path / "names.txt")) == 2
    assert "coco files name their classes themselves" in capsys.readouterr().err
    for path, options in ((WRITERS["voc"](tmp_path), []), (tmp_path / "coco.json", ["--as", "rle"])):
        assert run(tmp_path, path, "--tolerance", "2", *options) == 2
        assert "--tolerance is about polygons" in capsys.readouterr().err
    options = ["--images", str(tmp_path / "images"), "--dry-run", "--resume"]
    assert main(["annotations", str(tmp_path / "coco.json"), *options]) == 2
    assert "--resume takes what an earlier run with the same output has found" in capsys.readouterr().err


def test_the_folder_of_the_annotations_is_no_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path)
    path = WRITERS["labelme"](tmp_path)
    assert main(["annotations", str(path), "--images", str(tmp_path / "images"), "--output", str(path)]) == 2
    assert "--in-place" in capsys.readouterr().err


def test_decisions_about_other_changes_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_images(tmp_path)
    path = WRITERS["yolo"](tmp_path)
    decisions = tmp_path / "decisions.json"
    rejected = [{"file": "a.txt", "image": "a", "object": "line 7"}]
    decisions.write_text(json.dumps({"kind": "crispseg decisions", "rejected": rejected}))
    assert run(tmp_path, path, "--decisions", str(decisions)) == 2
    assert "'line 7' of image 'a' in 'a.txt', which does not change" in capsys.readouterr().err


def test_a_file_that_is_too_large_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_images(tmp_path)
    monkeypatch.setattr(texts, "LARGEST", 1000)
    assert run(tmp_path, WRITERS["coco"](tmp_path)) == 2
    assert "split it into files of fewer images" in capsys.readouterr().err


def test_polygons_that_cross_themselves_or_reach_out_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_images(tmp_path)
    path = WRITERS["coco"](tmp_path)
    change(segmentation=[[6, 8, 24, 30, 24, 8, 6, 30]])(path)
    assert run(tmp_path, path) == 0
    assert "1 polygons cross themselves; read by the even-odd rule" in capsys.readouterr().err
    change(segmentation=[[-9, 8, 24, 8, 24, 30, -9, 30]])(path)
    assert run(tmp_path, path) == 0
    assert "1 polygons reach out of their image; cut off" in capsys.readouterr().err
    change(segmentation=[[9.6, 8.6, 9.9, 8.6, 9.9, 8.9]])(path)
    assert run(tmp_path, path) == 0
    assert "1 polygons hold no middle of a pixel; kept as they are (first annotation 11" in capsys.readouterr().err
