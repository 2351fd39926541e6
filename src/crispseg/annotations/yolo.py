"""YOLO's text files of polygons."""

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from crispseg.annotations.record import AnnotatedImage, AnnotationFormat, Changes, category_of
from crispseg.annotations.shapes import Polygons, Shape
from crispseg.annotations.texts import BOM, as_ring, read_text
from crispseg.errors import InputError
from crispseg.writing import Identity

_WHAT = "YOLO annotations"
_BOX = 5
"""The numbers on the line of a box, which has no mask."""


@dataclass(frozen=True)
class Yolo(AnnotationFormat):
    """A file for each image, of the same name; on each line a class and a polygon in shares of the width and height."""

    endings: ClassVar[tuple[str, ...]] = (".txt",)
    names_with_endings: ClassVar[bool] = False
    numbers_classes: ClassVar[bool] = True

    def files(self, folder: Path, besides: Container[Identity] = ()) -> list[Path]:
        """Return the annotation files in a folder: those in folders called `labels`, if there are such.

        An export also has lists of classes and images, and texts about itself, which are none.
        """
        found = [path for path in super().files(folder, besides) if path.name not in ("classes.txt", "labels.txt")]
        return [path for path in found if "labels" in path.relative_to(folder).parts[:-1]] or found

    def read(self, path: Path) -> list[AnnotatedImage]:
        """Return the one image of the file."""
        image = AnnotatedImage(path.stem, None)
        for number, line in enumerate(read_text(path, _WHAT).removeprefix(BOM).splitlines(), 1):
            words = line.split()
            if len(words) == _BOX:
                image.others += 1
            elif words:
                image.add(f"line {number}", self._object, words)
        return [image]

    def written(self, path: Path, changes: Changes) -> dict[Path, bytes]:
        """Return the file with new lines for the objects that change."""
        lines = read_text(path, _WHAT).splitlines(keepends=True)
        for key, new in changes.get(path.stem, {}).items():
            at = int(key.removeprefix("line ")) - 1
            height, width = new.size
            shares = np.clip(new.ring / [width, height], 0, 1).ravel()
            body = lines[at].rstrip("\r\n")
            numbers = " ".join(f"{share:.6f}".rstrip("0").rstrip(".") for share in shares)
            lines[at] = f"{body.split()[0]} {numbers}{lines[at][len(body) :]}"
        return {path: "".join(lines).encode()}

    def _object(self, words: list[str]) -> tuple[str, Shape]:
        try:
            label, *shares = [float(word) for word in words]
        except ValueError as error:
            raise InputError("is no line of numbers; expected a class, then x and y in turn, with spaces") from error
        if label % 1:
            raise InputError(f"is of class {label:g}; expected a whole number")
        if len(shares) % 2:
            raise InputError(f"its polygon has {len(shares)} numbers; expected x and y in turn")
        return category_of(int(label), self.options.class_names), Polygons([[as_ring(shares)]], relative=True)
