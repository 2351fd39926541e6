"""COCO's JSON of instances."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from crispseg.annotations.json_text import Value, elements, members, replaced
from crispseg.annotations.polygons import one_ring
from crispseg.annotations.record import (
    AnnotatedImage,
    AnnotationFormat,
    Changes,
    Redrawn,
    require_unique,
)
from crispseg.annotations.shapes import Form, Polygons, RunLengths, Shape, runs_in_columns
from crispseg.annotations.texts import as_ring, field_of, parse_json, read_text, rounded
from crispseg.data.box import Box
from crispseg.errors import InputError

_WHAT = "COCO annotations"


@dataclass(frozen=True)
class Coco(AnnotationFormat):
    """One file for many images: polygons, run lengths (compressed or not), and crowds, which stay as they are."""

    endings: ClassVar[tuple[str, ...]] = (".json",)
    forms: ClassVar[tuple[Form, ...]] = ("polygons", "rle")

    def read(self, path: Path) -> list[AnnotatedImage]:
        """Return the images of the file, in its order."""
        with parse_json(path, _WHAT) as said:
            images, categories, annotations = (
                field_of(said, name, list, "the file") for name in ("images", "categories", "annotations")
            )
            require_unique([image["id"] for image in images], "image id")
            require_unique([image["file_name"] for image in images], "file name")
            require_unique([category["id"] for category in categories], "category id")
            require_unique([annotation["id"] for annotation in annotations], "annotation id")
            names = {category["id"]: str(category["name"]) for category in categories}
            of_image: defaultdict[Any, list[Mapping[str, Any]]] = defaultdict(list)
            for annotation in annotations:
                of_image[annotation["image_id"]].append(annotation)
            _require_known(annotations, "image_id", {image["id"] for image in images}, "images")
            _require_known(annotations, "category_id", names, "categories")
            return [_image(image, of_image[image["id"]], names) for image in images]

    def written(self, path: Path, changes: Changes) -> dict[Path, bytes]:
        """Return the file with new segmentations, boxes and areas of the objects that change."""
        text = read_text(path, _WHAT)
        top = members(text)
        names = {image["id"]: image["file_name"] for image in top["images"].value}
        edits: list[tuple[Value, Any]] = []
        for annotation in elements(text, top["annotations"].begin):
            new = changes.get(names[annotation.value["image_id"]], {}).get(_key(annotation.value))
            if new is not None:
                parts = members(text, annotation.begin)
                fresh = _fresh(annotation.value, new, self.options.form)
                edits += [(parts[name], value) for name, value in fresh.items() if name in parts]
        return {path: replaced(text, edits).encode()}


def _require_known(annotations: Sequence[Mapping[str, Any]], name: str, known: Any, where: str) -> None:  # noqa: ANN401
    wrong = [annotation for annotation in annotations if name in annotation and annotation[name] not in known]
    if wrong:
        raise InputError(
            f"{len(wrong)} annotations have a {name} that {where} do not list, first annotation {wrong[0]['id']!r} "
            f"with {wrong[0][name]!r}; add it to {where}, or remove them"
        )


def _key(annotation: Mapping[str, Any]) -> str:
    return f"annotation {annotation['id']}"


def _image(
    image: Mapping[str, Any], annotations: Sequence[Mapping[str, Any]], names: Mapping[Any, str]
) -> AnnotatedImage:
    size = (int(image["height"]), int(image["width"])) if "height" in image and "width" in image else None
    found = AnnotatedImage(str(image["file_name"]), size)
    for annotation in annotations:
        segmentation = annotation.get("segmentation")
        if segmentation and not int(annotation.get("iscrowd") or 0):
            found.add(_key(annotation), partial(_object, names), annotation)
        else:
            found.others += 1
    return found


def _object(names: Mapping[Any, str], annotation: Mapping[str, Any]) -> tuple[str, Shape]:
    return names[annotation["category_id"]], _shape(annotation["segmentation"])


def _shape(segmentation: Any) -> Shape:  # noqa: ANN401 - as the file says
    if isinstance(segmentation, list):
        return Polygons([[as_ring(np.array(flat, float).reshape(-1, 2))] for flat in map(_paired, segmentation)])
    if isinstance(segmentation, dict) and {"size", "counts"} <= segmentation.keys():
        return RunLengths(segmentation)
    raise InputError("its segmentation is neither a list of polygons nor an RLE with size and counts")


def _paired(flat: Any) -> Any:  # noqa: ANN401
    if not isinstance(flat, list) or len(flat) % 2:
        raise InputError("its polygon is not a list of x and y in turn")
    return flat


def _fresh(annotation: Mapping[str, Any], new: Redrawn, form: Form | None) -> dict[str, Any]:
    """Return the members of an annotation that describe its mask."""
    old, mask = annotation["segmentation"], new.mask
    if form == "polygons" or (form is None and isinstance(old, list)):
        segmentation: Any = _polygons(new)
    elif isinstance(old, dict) and isinstance(old["counts"], list):
        segmentation = {**old, "size": list(new.size), "counts": runs_in_columns(mask)}
    else:
        segmentation = {"size": list(new.size), "counts": new.rle}
    around = Box.around(mask)
    height, width = around.size
    box = [around.left, around.top, width, height]
    sides = annotation.get("bbox")
    return {
        "segmentation": segmentation,
        "area": _alike(annotation.get("area"), int(mask.sum())),
        "bbox": [_alike(sides[0] if isinstance(sides, list) and sides else None, side) for side in box],
    }


def _alike(old: object, new: int) -> float:
    """Return the new number as a float where the old one is; files also hold null in the place of either."""
    return float(new) if isinstance(old, float) else new


def _polygons(new: Redrawn) -> list[list[float]]:
    """Return the parts as flat lists. COCO's polygons have no holes: a part with holes becomes a single ring."""
    return [rounded(one_ring([part])).ravel().tolist() for part in new.parts]
