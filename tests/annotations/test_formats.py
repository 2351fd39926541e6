"""Every format is read, and written with what has changed and nothing else."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from torch import Tensor

from crispseg.annotations.cleaning import overlap
from crispseg.annotations.formats import FORMATS, detect_format
from crispseg.annotations.record import AnnotatedImage, AnnotationFormat, FormatOptions
from crispseg.annotations.run import Places, Summary, clean_annotations
from crispseg.annotations.shapes import Polygons
from crispseg.data.run_lengths import Mask
from tests.annotations.files import LEFT, OBJECTS, RIGHT, WRITERS, box, write_coco, write_images

KINDS = [(name, None) for name in FORMATS] + [("coco", "counts"), ("labelme", "mask"), ("cvat", "mask")]


def keep(image: Tensor, masks: list[Mask]) -> list[Mask]:
    return masks


def grow(image: Tensor, masks: list[Mask]) -> list[Mask]:
    """Return masks of which the first is larger by a row."""
    larger = masks[0].copy()
    larger[7, 6:24] = True
    return [larger, *masks[1:]]


def write(root: Path, name: str, kind: str | None = None) -> tuple[Path, AnnotationFormat]:
    write_images(root)
    path = WRITERS[name](root) if kind is None else WRITERS[name](root, kind)
    assert detect_format(path) == name
    return path, FORMATS.named(name)()


def clean(
    path: Path, layout: AnnotationFormat, cleaner: Callable[[Tensor, list[Mask]], list[Mask]], **options: Any
) -> Summary:
    root = path.parent
    return clean_annotations(Places(path, root / "images", root / "out"), layout, cleaner, settings={}, **options)


def written(path: Path) -> Iterator[tuple[Path, Path]]:
    """Yield every annotation file, and what was written for it."""
    for file in [path] if path.is_file() else sorted(path.rglob("*")):
        if file.is_file() and file.name != "classes.txt":
            yield file, path.parent / "out" / file.relative_to(path if path.is_dir() else path.parent)


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_what_does_not_change_is_written_byte_by_byte(tmp_path: Path, name: str, kind: str | None) -> None:
    path, layout = write(tmp_path, name, kind)
    summary = clean(path, layout, keep)
    assert [one.changes.count for one in summary.compared] == [2, 1]
    assert not summary.failures
    for before, after in written(path):
        assert before.read_bytes() == after.read_bytes()


@pytest.mark.parametrize(("name", "kind"), KINDS)
def test_what_changes_is_written_and_nothing_else(tmp_path: Path, name: str, kind: str | None) -> None:
    path, layout = write(tmp_path, name, kind)
    clean(path, layout, grow)
    before, after = (
        [image for file in pair for image in layout.read(file)]
        for pair in zip(*((one, other) for one, other in written(path) if "Class" not in str(one)), strict=True)
    )
    for old, new, (_, objects) in zip(before, after, OBJECTS.items(), strict=True):
        assert facts(old) == facts(new)
        masks = [one.shape.mask(40, 48) for one in new.objects]
        wanted = grow(Tensor(), [box(points) for _, points in objects])
        assert overlap(masks[0], wanted[0]) > (0.97 if kind is None and name != "voc" else 0.9999)
        for mask, expected in zip(masks[1:], wanted[1:], strict=True):
            np.testing.assert_array_equal(mask, expected)
    if name != "voc":
        for one, other in written(path):
            assert others(one.read_text(), name) == others(other.read_text(), name)


def facts(image: AnnotatedImage) -> tuple[Any, ...]:
    return image.name, image.size, image.others, image.faults, [(one.key, one.category) for one in image.objects]


def others(text: str, name: str) -> str:
    """Return the text of annotations without the numbers of the objects that change, the first of each image."""
    patterns = {
        "coco": r'(?s)("id": (?:11|13), "image_id).*?(?="iscrowd")',
        "cvat": r'(?s)(<image.*?)(?:rle=.*?height=| points=)"[^"]*"',
        "labelme": r'(?s)^(.*?)"points": .*?"(?=group_id)|"mask": "[^"]*"',
        "yolo": r"^(\d )[\d. ]+",
    }
    return re.sub(patterns[name], r"\1", text)


@pytest.mark.parametrize("form", ["polygons", "rle"])
@pytest.mark.parametrize("kind", ["polygons", "counts"])
def test_coco_keeps_or_converts_the_form(tmp_path: Path, kind: str, form: str) -> None:
    path, _ = write(tmp_path, "coco", kind)
    clean(path, FORMATS.named("coco")(FormatOptions(form=form)), grow)  # type: ignore[arg-type]
    said = json.loads((tmp_path / "out" / "coco.json").read_text())["annotations"]
    for one in said[:3]:
        assert isinstance(one["segmentation"], list if form == "polygons" else dict)
    assert said[3]["segmentation"]["counts"] == [0, 5, 1915], "a crowd stays"
    assert (said[0]["area"], said[0]["bbox"]) == (18 * 23.0, [6.0, 7.0, 18.0, 23.0])
    assert said[0]["mine"] == {"who": "Ä"}
    unchanged = FORMATS.named("coco")().read(tmp_path / "out" / "coco.json")[0].objects[1].shape.mask(40, 48)
    np.testing.assert_array_equal(unchanged, box(RIGHT))


@pytest.mark.parametrize(
    ("area", "bbox", "after"),
    [
        (None, None, (414, [6, 7, 18, 23])),
        (9.0, [], (414.0, [6, 7, 18, 23])),
        ("9", [0.0] * 4, (414, [6.0, 7, 18, 23])),
    ],
)
def test_coco_may_lack_area_and_box(tmp_path: Path, area: object, bbox: object, after: tuple[object, object]) -> None:
    path, layout = write(tmp_path, "coco")
    said = json.loads(path.read_text())
    said["annotations"][0] |= {"area": area, "bbox": bbox}
    path.write_text(json.dumps(said))
    clean(path, layout, grow)
    new = json.loads((tmp_path / "out" / "coco.json").read_text())["annotations"][0]
    assert (new["area"], new["bbox"]) == after


def test_an_object_of_a_pixel_is_still_one_as_a_polygon(tmp_path: Path) -> None:
    path, _ = write(tmp_path, "coco", "counts")
    said = json.loads(path.read_text())
    said["annotations"][1]["segmentation"] = {"size": [40, 48], "counts": [100, 1, 1819]}
    path.write_text(json.dumps(said))
    layout = FORMATS.named("coco")(FormatOptions(form="polygons"))
    clean(path, layout, keep)
    after = layout.read(tmp_path / "out" / "coco.json")[0].objects[1].shape
    assert isinstance(after, Polygons)
    assert np.flatnonzero(after.mask(40, 48).T).tolist() == [100]


@pytest.mark.parametrize("name", ["labelme", "cvat"])
@pytest.mark.parametrize(("kind", "form"), [("polygon", "rle"), ("mask", "polygons")])
def test_shapes_become_those_of_the_other_form(tmp_path: Path, name: str, kind: str, form: str) -> None:
    path, _ = write(tmp_path, name, kind)
    layout = FORMATS.named(name)(FormatOptions(form=form))  # type: ignore[arg-type]
    clean(path, layout, keep)
    for before, after in written(path):
        for old, new in zip(layout.read(before), layout.read(after), strict=True):
            assert facts(old) == facts(new)
            for one, other in zip(old.objects, new.objects, strict=True):
                assert isinstance(one.shape, Polygons) != isinstance(other.shape, Polygons)
                np.testing.assert_array_equal(one.shape.mask(40, 48), other.shape.mask(40, 48))
        text = after.read_text()
        kept = '"flags": {' if name == "labelme" else "occluded='0'"
        assert text.count(kept) == before.read_text().count(kept)


def test_changes_into_void_are_neither_said_nor_written(tmp_path: Path) -> None:
    path, layout = write(tmp_path, "voc")
    for file in path.glob("*/*.png"):
        with Image.open(file) as image:
            labels, palette = np.array(image), image.getpalette()
        labels[5:8] = 255
        new = Image.fromarray(labels)
        new.putpalette(palette or [])
        new.save(file)
    summary = clean(path, layout, grow)
    assert [dict(one.changes.objects) for one in summary.compared] == [{}, {}]
    for before, after in written(path):
        assert before.read_bytes() == after.read_bytes()


def test_voc_keeps_what_is_not_of_a_change(tmp_path: Path) -> None:
    path, layout = write(tmp_path, "voc")
    for file in path.glob("*/*.png"):
        with Image.open(file) as image:
            labels, palette = np.array(image), image.getpalette()
        if file.parent.name == "SegmentationClass":
            labels[20, 10] = 77  # a pixel of another class within an object
        new = Image.fromarray(labels)
        new.putpalette(palette or [])
        new.save(file, transparency=0, dpi=(300, 300))
    clean(path, layout, grow)
    for before, after in written(path):
        with Image.open(before) as one, Image.open(after) as other:
            assert other.info == one.info
            changed = np.argwhere(np.array(one) != np.array(other))
            assert set(changed[:, 0]) == {7}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_converted_shape_keeps_its_letters_and_line_ends(tmp_path: Path, end: str) -> None:
    path, _ = write(tmp_path, "labelme")
    file = path / "a.json"
    file.write_bytes(file.read_text().replace('"cat"', '"Kätzchen"').replace("\n", end).encode())
    clean(path, FORMATS.named("labelme")(FormatOptions(form="rle")), keep)
    text = (tmp_path / "out" / "a.json").read_bytes().decode()
    assert '"label": "Kätzchen"' in text
    assert text.count("\n") == text.count(end)


@pytest.mark.parametrize("name", ["coco", "cvat", "labelme", "yolo"])
def test_a_byte_order_mark_stays(tmp_path: Path, name: str) -> None:
    path, layout = write(tmp_path, name)
    plain = clean(path, layout, grow)
    expected = {after.name: after.read_bytes() for _, after in written(path)}
    for file in [path] if path.is_file() else path.iterdir():
        file.write_bytes("\ufeff".encode() + file.read_bytes())
    marked = clean(path, layout, grow)
    assert (marked.failures, len(marked.compared)) == ([], len(plain.compared))
    for before, after in written(path):
        assert after.read_bytes() != before.read_bytes()
        assert after.read_bytes() == "\ufeff".encode() + expected[after.name]


@pytest.mark.parametrize("crowd", ["0", False, None])
def test_what_is_no_crowd_is_read(tmp_path: Path, crowd: object) -> None:
    said = json.loads((path := write_coco(tmp_path, "counts")).read_text())
    for annotation in said["annotations"][:-1]:
        annotation["iscrowd"] = crowd
        annotation["segmentation"]["size"] = ["40", "48"]
    path.write_text(json.dumps(said))
    images = FORMATS.named("coco")().read(path)
    assert [len(image.objects) for image in images] == [2, 1]
    assert [image.objects[0].shape.mask(40, 48).sum() for image in images] == [396, 396]


def test_neighbours_share_their_new_edge(tmp_path: Path) -> None:
    path = write_coco(tmp_path)
    write_images(tmp_path)

    def move(image: Tensor, masks: list[Mask]) -> list[Mask]:
        if len(masks) == 1:
            return masks
        edge = np.arange(48)[None] < 24 + np.round(3 * np.sin(np.arange(40)[:, None] / 4))
        both = masks[0] | masks[1]
        return [both & edge, both & ~edge]

    clean(path, FORMATS.named("coco")(), move)
    left, right = json.loads((tmp_path / "out" / "coco.json").read_text())["annotations"][:2]
    points = [{tuple(point) for point in np.reshape(one["segmentation"][0], (-1, 2)).tolist()} for one in (left, right)]
    assert len(points[0] & points[1]) > 5
    masks = [one.shape.mask(40, 48) for one in FORMATS.named("coco")().read(tmp_path / "out" / "coco.json")[0].objects]
    assert not (masks[0] & masks[1]).any()
    np.testing.assert_array_equal(masks[0] | masks[1], box(LEFT) | box(RIGHT))
