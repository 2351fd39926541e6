"""labelme's JSON files."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from crispseg.annotations.json_text import Value, elements, members, replaced
from crispseg.annotations.record import AnnotatedImage, AnnotationFormat, Changes, Redrawn
from crispseg.annotations.shapes import Form, Pasted, Polygons, Shape
from crispseg.annotations.texts import as_ring, field_of, parse_json, read_text, rounded
from crispseg.data.box import Box
from crispseg.data.run_lengths import Mask
from crispseg.errors import InputError, one_line

_WHAT = "labelme annotations"


@dataclass(frozen=True)
class Labelme(AnnotationFormat):
    """A file for each image, which names it: polygons and masks. Rectangles, lines and the like stay as they are."""

    endings: ClassVar[tuple[str, ...]] = (".json",)
    forms: ClassVar[tuple[Form, ...]] = ("polygons", "rle")

    def read(self, path: Path) -> list[AnnotatedImage]:
        """Return the one image of the file."""
        with parse_json(path, _WHAT) as said:
            name = field_of(said, "imagePath", str, "the file")
            height, width = said.get("imageHeight"), said.get("imageWidth")
            size = None if height is None or width is None else (int(height), int(width))
            image = AnnotatedImage(name, size)
            for number, shape in enumerate(field_of(said, "shapes", list, "the file"), 1):
                if (shape.get("shape_type") or "polygon") in ("polygon", "mask"):
                    image.add(f"shape {number}", _object, shape)
                else:
                    image.others += 1
            return [image]

    def written(self, path: Path, changes: Changes) -> dict[Path, bytes]:
        """Return the file with new points, or masks, of the shapes that change."""
        text = read_text(path, _WHAT)
        top = members(text)
        edits: list[tuple[Value, Any]] = []
        shapes = elements(text, top["shapes"].begin)
        for key, new in changes.get(top["imagePath"].value, {}).items():
            shape = shapes[int(key.removeprefix("shape ")) - 1]
            was_mask = shape.value.get("shape_type") == "mask"
            is_mask = was_mask if self.options.form is None else self.options.form == "rle"
            fresh = _pasted(new) if is_mask else {"points": rounded(new.ring).tolist()}
            if is_mask == was_mask:
                places = members(text, shape.begin)
                edits += [(places[name], value) for name, value in fresh.items()]
            else:
                kind = {"shape_type": "mask" if is_mask else "polygon", "mask": None}
                edits.append((shape, {**shape.value, **kind, **fresh}))
        return {path: replaced(text, edits).encode()}


def _object(shape: Mapping[str, Any]) -> tuple[str, Shape]:
    return str(shape["label"]), _shape(shape)


def _shape(shape: Mapping[str, Any]) -> Shape:
    if shape.get("shape_type") != "mask":
        return Polygons([[as_ring(shape["points"])]])
    (left, top), *_ = shape["points"]
    return Pasted(_decoded(shape["mask"]), round(top), round(left))


def _decoded(text: str) -> Mask:
    try:
        with Image.open(io.BytesIO(base64.b64decode(text, validate=True)), formats=["PNG"]) as image:
            return np.asarray(image.convert("L")) > 0
    except Exception as error:  # Pillow has no list of its errors
        raise InputError(f"its mask is not a PNG in base64 ({one_line(error)})") from error


def _pasted(new: Redrawn) -> dict[str, Any]:
    """Return the corners of the box of a mask, and the pixels in it; the last corner is its last pixel."""
    mask = new.mask
    box = Box.around(mask)
    buffer = io.BytesIO()
    Image.fromarray(mask[box.slices].astype(np.uint8)).save(buffer, format="PNG")
    points = [[float(box.left), float(box.top)], [float(box.right - 1), float(box.bottom - 1)]]
    return {"points": points, "mask": base64.b64encode(buffer.getvalue()).decode()}
