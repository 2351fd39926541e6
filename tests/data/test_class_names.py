"""Class names come from the user's small file, and reports show them."""

import json
from pathlib import Path

import pytest

from crispseg import InputError
from crispseg.data import LabelledFolder, read_class_names
from crispseg.data.class_names import name_of
from tests.fakes import write_folder


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.txt", "road\n\n  traffic light \ncar\n"),
        ("a.json", '["road", "traffic light", "car"]'),
        ("a.json", '{"2": "car", "0": "road", "1": "traffic light"}'),
        ("config.json", '{"model_type": "segformer", "id2label": {"0": "road", "1": "traffic light", "2": "car"}}'),
    ],
)
def test_files_of_names(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert read_class_names(tmp_path / name) == ("road", "traffic light", "car")


def test_a_class_without_a_name_is_shown_by_its_number(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"0": "road", "2": "car"}')
    names = read_class_names(tmp_path / "a.json")
    assert [name_of(names, label) for label in range(4)] == ["road", "1", "car", "3"]


@pytest.mark.parametrize(
    ("name", "text", "facts"),
    [
        ("a.txt", "\n\n", r"a\.txt.*expected one for each class"),
        ("a.txt", "road\ncar\nroad", "classes 0 and 2 are both called 'road'"),
        ("data.yaml", "path: .\nnames:\n  0: road\n  1: car\n", "is yaml; write its names into a text file"),
        ("a.json", "[", "not JSON"),
        ("a.json", "[1, 2]", "expected a list of names"),
        ("a.json", '"road"', "expected a list of names"),
        ("a.json", '{"-1": "void"}', "'-1' is not a class; expected a whole number from 0 to 65535"),
        ("a.json", '{"123456": "void"}', "'123456' is not a class"),
        ("b.txt", None, r"b\.txt: cannot be read"),
    ],
)
def test_what_holds_no_names_is_refused(name: str, text: str | None, facts: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=facts):
        read_class_names(tmp_path / name)


def test_names_say_the_number_of_classes(tmp_path: Path) -> None:
    root = write_folder(tmp_path)

    def made(*names: str, num_classes: int | None = None) -> LabelledFolder:
        return LabelledFolder(root / "images", root / "labels", 11, num_classes, class_names=names)

    assert made("left", "right", "disc").num_classes == 3
    assert made("left", "", "disc").num_classes is None
    assert made("left", "", num_classes=3).class_names == ("left", "")
    for wrong in (2, 4):
        with pytest.raises(InputError, match=f"3 class names .'left' to 'disc'. for {wrong} classes"):
            made("left", "right", "disc", num_classes=wrong)


def test_names_of_a_table_stand_where_no_others_are_given(tmp_path: Path) -> None:
    root = write_folder(tmp_path)
    (root / "ids.json").write_text(json.dumps({"0": [0, "left"], "1": 1, "2": [2, "disc"], "11": "void"}))
    folder = LabelledFolder(root / "images", root / "labels", numbering=root / "ids.json")
    assert folder.class_names == ("left", "", "disc")
    assert folder.expecting(3).class_names == ("left", "", "disc")
