"""A run in place that had faults goes on with what was faulty, also in a file that it has replaced in part."""

import json
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from crispseg.annotations.changes import Notes
from crispseg.annotations.coco import Coco
from crispseg.annotations.run import Places, Summary, clean_annotations
from crispseg.data.run_lengths import Mask
from tests.annotations.files import write_coco, write_images

FAULTS: dict[int, list[list[float]]] = {11: [[1, 2]], 12: [[1, 2]]}
"""By the id of an annotation, a polygon that has too few points."""


def lift(image: Tensor, masks: list[Mask]) -> list[Mask]:
    """Move each mask up by a row, as often as it is asked."""
    return [np.roll(mask, -1, 0) for mask in masks]


def clean(root: Path, *, resume: bool = False) -> Summary:
    places = Places(root / "coco.json", root / "images", root)
    return clean_annotations(places, Coco(), lift, settings={}, resume=resume)


def tops(root: Path) -> list[float]:
    """Return the upper edge of each object that is no crowd."""
    found = json.loads((root / "coco.json").read_text())["annotations"]
    return [min(each["segmentation"][0][1::2]) for each in found if not each["iscrowd"]]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_images(tmp_path)
    write_coco(tmp_path)
    return tmp_path


def edit(root: Path, polygons: dict[int, list[list[float]]]) -> dict[int, list[list[float]]]:
    """Give annotations other polygons, and return those that they had."""
    said = json.loads((root / "coco.json").read_text())
    before = {}
    for each in said["annotations"]:
        if each["id"] in polygons:
            before[each["id"]] = each["segmentation"]
            each["segmentation"] = polygons[each["id"]]
    (root / "coco.json").write_text(json.dumps(said))
    return before


def test_an_image_that_was_missing_is_compared_and_no_other_moves_twice(root: Path) -> None:
    (root / "images" / "b.png").rename(root / "b.png")
    assert len(clean(root).failures) == 1
    assert tops(root) == [7, 7, 8]
    (root / "b.png").rename(root / "images" / "b.png")
    assert [one.changes.image for one in clean(root, resume=True).compared] == ["b.png"]
    assert tops(root) == [7, 7, 7]
    assert not (root / ".crispseg").exists()


@pytest.mark.parametrize("faulty", FAULTS)
def test_an_object_that_was_mended_in_the_file_is_compared_and_no_other_moves_twice(root: Path, faulty: int) -> None:
    whole = edit(root, {faulty: FAULTS[faulty]})
    assert len(clean(root).failures) == 1
    edit(root, whole)
    summary = clean(root, resume=True)
    assert [(one.changes.image, list(one.changes.objects)) for one in summary.compared] == [
        ("a.png", [f"annotation {faulty}"])
    ]
    assert tops(root) == [7, 7, 7]
    assert not (root / ".crispseg").exists()


def test_faults_that_stay_move_nothing(root: Path) -> None:
    edit(root, {11: FAULTS[11]})
    clean(root)
    before = (root / "coco.json").read_bytes()
    for _ in range(2):
        assert len(clean(root, resume=True).failures) == 1
        assert (root / "coco.json").read_bytes() == before


def test_a_run_that_was_killed_just_after_it_replaced_a_file_moves_nothing_twice(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(Notes, "add_done", kill)
        with pytest.raises(Killed):
            clean(root)
    assert tops(root) == [7, 7, 7]
    clean(root, resume=True)
    assert tops(root) == [7, 7, 7]
