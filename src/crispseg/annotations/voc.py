"""Folders in the layout of Pascal VOC."""

import io
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from crispseg.annotations.record import AnnotatedImage, AnnotationFormat, Changes, Redrawn, category_of
from crispseg.annotations.shapes import Region, Shape
from crispseg.annotations.texts import read_bytes
from crispseg.data.classes import VOC_CLASSES
from crispseg.data.image import opened
from crispseg.errors import InputError
from crispseg.writing import Identity

OBJECTS, CLASSES = "SegmentationObject", "SegmentationClass"
_WHAT = "VOC annotations"
_VOID = 255


@dataclass(frozen=True)
class Voc(AnnotationFormat):
    """A folder with two indexed PNG files for each image: the number of the object and the class of every pixel.

    Void pixels stay void. A pixel that an object leaves becomes background.
    """

    endings: ClassVar[tuple[str, ...]] = (".png",)
    has_polygons: ClassVar[bool] = False
    label_maps: ClassVar[tuple[str, ...]] = (OBJECTS, CLASSES)
    names_with_endings: ClassVar[bool] = False
    numbers_classes: ClassVar[bool] = True

    def files(self, folder: Path, besides: Container[Identity] = ()) -> list[Path]:
        """Return the label maps of objects; of classes where there are none of objects."""
        found = next((folder / name for name in (OBJECTS, CLASSES) if (folder / name).is_dir()), folder / OBJECTS)
        return super().files(found, besides)

    def read(self, path: Path) -> list[AnnotatedImage]:
        """Return the one image of a label map."""
        labels = _labels(path)
        classes = labels if path == _classes_of(path) else _labels(_classes_of(path))
        if classes.shape != labels.shape:
            raise InputError(
                f"{_WHAT} {path}: of {labels.shape[0]}×{labels.shape[1]} pixels, {_classes_of(path)} of "
                f"{classes.shape[0]}×{classes.shape[1]}; expected the same"
            )
        image = AnnotatedImage(path.stem, (labels.shape[0], labels.shape[1]), fixed=labels == _VOID)
        for number in np.unique(labels).tolist():
            if number in (0, _VOID):
                continue
            image.add(f"object {number}", partial(self._object, labels, classes), number)
        return [image]

    def written(self, path: Path, changes: Changes) -> dict[Path, bytes]:
        """Return both label maps."""
        paths = dict.fromkeys([path, _classes_of(path)])
        new = changes.get(path.stem, {})
        if not new:
            return {each: read_bytes(each, _WHAT) for each in paths}
        objects = _labels(path)
        owners = {key: objects == int(key.removeprefix("object ")) for key in new}
        return {each: _repainted(each, new, owners) for each in paths}

    def _object(self, labels: NDArray[np.uint8], classes: NDArray[np.uint8], number: int) -> tuple[str, Shape]:
        label = int(np.bincount(classes[labels == number]).argmax())
        return category_of(label, self.options.class_names or VOC_CLASSES.names), Region(labels, number)


def _classes_of(path: Path) -> Path:
    """Return the label map of classes that belongs to one of objects; that of classes belongs to itself."""
    folders = path.parts[:-1]
    at = max((index for index, name in enumerate(folders) if name in (OBJECTS, CLASSES)), default=len(folders) - 1)
    return Path(*folders[:at], CLASSES, *path.parts[at + 1 :])


def _labels(path: Path) -> NDArray[np.uint8]:
    with opened(path, _WHAT) as image:
        if image.mode not in ("P", "L"):
            raise InputError(f"{_WHAT} {path}: its mode is {image.mode}; expected an indexed or greyscale PNG")
        return np.asarray(image)


def _repainted(path: Path, new: Mapping[str, Redrawn], owners: dict[str, NDArray[np.bool_]]) -> bytes:
    """Return a label map in which objects have their new pixels, with the mode and palette as before."""
    with opened(path, _WHAT) as image:
        mode, palette, info = image.mode, image.getpalette(), image.info
    before = _labels(path)
    after = before.copy()
    masks = {key: redrawn.mask for key, redrawn in new.items()}
    for key, mask in masks.items():
        after[owners[key] & ~mask & (before != _VOID)] = 0
    for key, mask in masks.items():
        value = np.bincount(before[owners[key]], minlength=256).argmax()
        after[mask & ~owners[key] & (before != _VOID)] = value
    written = Image.fromarray(after)
    if mode == "P" and palette is not None:
        written.putpalette(palette)
    buffer = io.BytesIO()
    kept = {name: info[name] for name in ("transparency", "dpi", "icc_profile") if name in info}
    written.save(buffer, format="PNG", optimize=True, **kept)
    return buffer.getvalue()
