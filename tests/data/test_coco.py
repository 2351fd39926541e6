"""COCO's outlines become label maps in VOC's classes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from crispseg import InputError
from crispseg.data import COCO, IGNORE_INDEX
from tests.fakes import HEIGHT, WIDTH, write_coco

PERSON, CAT, COUCH, CLOCK = 1, 17, 63, 85
SCENES = [
    [
        (COUCH, (10, 5, 40, 60)),
        (CAT, (20, 10, 30, 20)),
        (CLOCK, (0, 0, 10, 10)),
        (CAT, (25, 40, 30, 45)),
        (-PERSON, (38, 50, 46, 64)),
    ],
    [(CLOCK, (0, 0, 20, 20))],
    [(PERSON, (5, 5, 20, 20)), (PERSON, (10, 10, 30, 30))],
]


def painted(*rectangles: tuple[int, tuple[int, int, int, int]]) -> np.ndarray:
    labels = np.zeros((HEIGHT, WIDTH), dtype=np.int64)
    for label, (top, left, bottom, right) in rectangles:
        labels[top:bottom, left:right] = label
    return labels


def test_coco_draws_the_objects_of_vocs_classes(tmp_path: Path) -> None:
    data = COCO(write_coco(tmp_path, SCENES), "val2017")
    assert [path.stem for path in data.images] == ["000000000001", "000000000003"]
    sofa, person = data.class_names.index("sofa"), data.class_names.index("person")
    overlaps = [(IGNORE_INDEX, rectangle) for label, rectangle in SCENES[0] if label in (CAT, -PERSON)]
    assert np.array_equal(data.read(0).labels, painted((sofa, SCENES[0][0][1]), *overlaps))
    assert np.array_equal(data.read(1).labels, painted(*((person, rectangle) for _, rectangle in SCENES[2])))


def test_coco_keeps_images_without_objects_if_asked(tmp_path: Path) -> None:
    data = COCO(write_coco(tmp_path, SCENES), "val2017", empty=True)
    assert len(data) == 3
    assert not data.read(1).labels.any()


def test_coco_tells_instances_apart(tmp_path: Path) -> None:
    data = COCO(write_coco(tmp_path, SCENES), "val2017", labels="instances")
    labels = painted((1, (5, 5, 20, 20)), (2, (10, 10, 30, 30)), (IGNORE_INDEX, (10, 10, 20, 20)))
    assert np.array_equal(data.read(1).labels, labels)
    rows = [(CAT, (row, column, row + 2, column + 2)) for row in range(0, 48, 2) for column in range(0, 64, 2)]
    many = COCO(write_coco(tmp_path, [rows]), "val2017", labels="instances").read(0).labels
    assert sorted(many.unique().tolist()) == [*range(1, len(rows) + 1)]


def test_all_twenty_classes_are_found_in_cocos_categories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 5: "airplane", 6: "bus", 7: "train", 9: "boat"}
    theirs |= {16: "bird", 17: "cat", 18: "dog", 19: "horse", 20: "sheep", 21: "cow", 44: "bottle", 62: "chair"}
    theirs |= {63: "couch", 64: "potted plant", 67: "dining table", 72: "tv", 8: "truck", 73: "laptop"}
    monkeypatch.setattr("tests.fakes.COCO_CATEGORIES", theirs)
    scene = [(number, (2 * row, 0, 2 * row + 2, 64)) for row, number in enumerate(theirs)]
    labels = COCO(write_coco(tmp_path, [scene]), "val2017").read(0).labels
    assert sorted(labels.unique().tolist()) == list(range(21))


def test_coco_names_what_does_not_fit(tmp_path: Path) -> None:
    root = write_coco(tmp_path, SCENES)
    with pytest.raises(InputError, match=r"instances_train2017.json: no such file"):
        COCO(root)
    with pytest.raises(InputError, match="labels is 'both'; expected one of 'categories', 'instances'"):
        COCO(root, "val2017", labels="both")  # type: ignore[arg-type]
    Image.new("RGB", (10, 10)).save(root / "val2017" / "000000000003.jpg")
    with pytest.raises(InputError, match=r"has height and width \(48, 64\), its image \(10, 10\)"):
        COCO(root, "val2017").read(1)
    (root / "val2017" / "000000000003.jpg").unlink()
    with pytest.raises(InputError, match=r"for 1 of 2 images, first for '000000000003'"):
        COCO(root, "val2017")
    with pytest.raises(InputError, match="no image shows one of VOC's classes"):
        COCO(write_coco(tmp_path, [[(CLOCK, (0, 0, 5, 5))]]), "val2017")
    annotations = root / "annotations" / "instances_val2017.json"
    text = annotations.read_text()
    annotations.write_text(text.replace("person", "ghost").replace("cat", "c").replace("couch", "sitting"))
    with pytest.raises(InputError, match="none of the categories is a class of VOC"):
        COCO(root, "val2017")
    annotations.write_text(text[:100])
    with pytest.raises(InputError, match=r"not annotations of COCO; .*\(JSONDecodeError"):
        COCO(root, "val2017")


def test_a_damaged_outline_is_named(tmp_path: Path) -> None:
    root = write_coco(tmp_path, SCENES)
    annotations = root / "annotations" / "instances_val2017.json"
    annotations.write_text(annotations.read_text().replace("[[5, 5, 20, 5, 20, 20, 5, 20]]", "[[5]]"))
    with pytest.raises(InputError, match="the outline of object 7 is damaged"):
        COCO(root, "val2017").read(1)
