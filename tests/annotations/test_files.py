"""Which files are annotations, and which image each is about."""

import unicodedata
from pathlib import Path
from typing import Literal

import pytest

from crispseg.annotations.images import ImageFolder
from crispseg.annotations.run import Places, clean_annotations
from crispseg.annotations.voc import CLASSES, OBJECTS, Voc
from crispseg.annotations.yolo import Yolo
from crispseg.errors import InputError
from tests.annotations.files import write_images, write_voc, write_yolo
from tests.annotations.test_formats import grow

Form = Literal["NFC", "NFD"]


@pytest.mark.parametrize("forms", [("NFC", "NFD"), ("NFD", "NFC")])
def test_letters_of_macos_match_those_of_other_systems(forms: tuple[Form, Form], tmp_path: Path) -> None:
    ours, theirs = (unicodedata.normalize(form, "café 서울.jpg") for form in forms)
    (tmp_path / ours).touch()
    folder = ImageFolder(tmp_path)
    assert folder.find(f"photos/{theirs}") == tmp_path / ours
    assert not folder.unused


def test_a_label_map_is_never_taken_for_the_image(tmp_path: Path) -> None:
    write_images(tmp_path)
    voc = write_voc(tmp_path)
    (tmp_path / "images").rename(voc / "JPEGImages")
    for output in ("out", "again"):
        summary = clean_annotations(Places(voc, voc, voc / output), Voc(), grow, settings={})
        assert [one.path.parent.name for one in summary.compared] == ["JPEGImages"] * 2


def test_label_maps_may_lie_in_subfolders(tmp_path: Path) -> None:
    write_images(tmp_path)
    voc = write_voc(tmp_path)
    (tmp_path / "images").rename(voc / "JPEGImages")
    for folder in (OBJECTS, CLASSES, "JPEGImages"):
        (voc / folder).rename(voc / "moved")
        (voc / folder).mkdir()
        (voc / "moved").rename(voc / folder / "train")
    summary = clean_annotations(Places(voc, voc, tmp_path / "out"), Voc(), grow, settings={})
    assert [one.path.parent for one in summary.compared] == [voc / "JPEGImages" / "train"] * 2
    assert not summary.failures
    assert [(tmp_path / "out" / folder / "train" / "a.png").is_file() for folder in (OBJECTS, CLASSES)] == [True] * 2


def test_a_name_with_dots_is_not_that_of_another_image(tmp_path: Path) -> None:
    write_images(tmp_path)
    yolo = write_yolo(tmp_path)
    (yolo / "a.txt").rename(yolo / "a.v2.txt")
    summary = clean_annotations(Places(yolo, tmp_path / "images", tmp_path / "out"), Yolo(), grow, settings={})
    (failure,) = summary.failures
    assert "image 'a.v2' is not in" in failure.reason
    assert ImageFolder(tmp_path / "images").find("a.heic").name == "a.png"


def test_an_image_of_that_name_in_another_folder_is_not_taken(tmp_path: Path) -> None:
    for path in ("a/1.jpg", "a/2.jpg", "b/2.jpg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    images = ImageFolder(tmp_path)
    assert images.find("b/2.jpg") == tmp_path / "b/2.jpg"
    assert images.find("1.jpg", "/elsewhere/c") == tmp_path / "a/1.jpg"
    for name, beside in (("b/1.jpg", ""), ("1.jpg", "/labels/b"), ("..\\b\\1.jpg", "/labels")):
        with pytest.raises(InputError, match=r"is not in the folder b of .*a/1\.jpg is another"):
            images.find(name, beside)


def test_lists_and_texts_of_an_export_of_yolo_are_no_annotations(tmp_path: Path) -> None:
    root = write_yolo(tmp_path)
    (root / "labels" / "train").mkdir(parents=True)
    for name in ("a.txt", "b.txt"):
        (root / name).rename(root / "labels" / "train" / name)
    (root / "train.txt").write_text("./images/train/a.png\n")
    (root / "README.dataset.txt").write_text("Cats > 2026-11-20 3:10pm\n")
    assert [path.name for path in Yolo().files(root)] == ["a.txt", "b.txt"]
