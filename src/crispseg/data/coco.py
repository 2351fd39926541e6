"""COCO (Lin et al. 2014), in the 21 classes of PASCAL VOC or instance by instance."""

import contextlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from crispseg.data.classes import VOC_CLASSES
from crispseg.data.labelled_files import LabelledFiles
from crispseg.data.matching import match_files
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError
from crispseg.extras import optional_packages
from crispseg.reading import parsed
from crispseg.value_checks import check_choice

_OTHER_NAMES = {
    "airplane": "aeroplane",
    "couch": "sofa",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "tv": "tvmonitor",
}
"""VOC's name of the categories that COCO calls otherwise; the other fourteen have the same name in both."""


class COCO(LabelledFiles):
    """Photographs with every object of VOC's 20 classes outlined; COCO's other 60 categories are background.

    Masks are drawn from the outlines as images are read. Crowds, which are outlined as one, are void, and so are pixels
    that two objects with different labels claim. Needs pycocotools (extra `data`).

    Args:
        root: Folder with `SPLIT/*.jpg` and `annotations/instances_SPLIT.json`, as in the released archives.
        split: Such as "train2017" or "val2014".
        labels: "categories" numbers pixels by VOC's class; "instances" tells objects of one image apart, from 1 on,
            which are then not classes.
        empty: Whether images without an object of VOC's classes are kept.

    Raises:
        InputError: If a folder, an image or the annotations are missing or damaged, or no image is left.
    """

    def __init__(
        self,
        root: Path,
        split: str = "train2017",
        *,
        labels: Literal["categories", "instances"] = "categories",
        empty: bool = False,
    ) -> None:
        check_choice("labels", labels, ("categories", "instances"))
        self.annotations = Path(root) / "annotations" / f"instances_{split}.json"
        self.has_classes = labels == "categories"
        self.other_labels = "" if self.has_classes else "pass labels='categories' for classes"
        if self.has_classes:
            self.class_names, self.palette, self.num_classes = VOC_CLASSES.names, VOC_CLASSES.palette, len(VOC_CLASSES)
        self._index = _read_annotations(self.annotations)
        self._class_of = _voc_classes(self._index, self.annotations)
        self._ids = [number for number in sorted(self._index.imgs) if empty or self._objects(number)]
        if not self._ids:
            raise InputError(f"annotations {self.annotations}: no image shows one of VOC's classes")
        files = [Path(self._index.imgs[number]["file_name"]) for number in self._ids]
        self.image_names = [file.stem for file in files]
        self.images = match_files(
            dict(zip(self.image_names, files, strict=True)), Path(root) / split, (".jpg",), "image"
        )
        self.labels = [self.annotations] * len(self.images)

    @property
    def description(self) -> Mapping[str, Any]:
        """The options that tell this data set from another one over the same files."""
        return {**super().description, "has_classes": self.has_classes}

    def read_labels(self, index: int) -> Tensor:
        """Draw the label map of one image, (H, W) int64."""
        image = self._index.imgs[self._ids[index]]
        labels = torch.zeros(image["height"], image["width"], dtype=torch.int64)
        objects = self._objects(image["id"])
        for number, annotation in enumerate(objects, start=1):
            label = self._class_of[annotation["category_id"]] if self.has_classes else number
            mask = self._mask(annotation)
            claimed = mask & (labels != 0) & (labels != label)
            labels[mask] = label
            labels[claimed] = IGNORE_INDEX
        for annotation in self._objects(image["id"], crowd=True):
            labels[self._mask(annotation)] = IGNORE_INDEX
        return labels

    def _objects(self, image: int, *, crowd: bool = False) -> list[dict[str, Any]]:
        annotations = self._index.imgToAnns.get(image, ())
        return [a for a in annotations if a["category_id"] in self._class_of and bool(a.get("iscrowd")) == crowd]

    def _mask(self, annotation: dict[str, Any]) -> Tensor:
        what = f"the outline of object {annotation.get('id')} is damaged; unpack the archive again"
        with parsed(self.annotations, "annotations", what):
            return torch.from_numpy(np.asarray(self._index.annToMask(annotation)) > 0)


def _read_annotations(path: Path) -> Any:  # noqa: ANN401 - pycocotools has no types
    # pycocotools belongs to the extra `data`; only this data set needs it.
    with optional_packages():
        from pycocotools.coco import COCO as Index  # noqa: N811, PLC0415

    if not path.is_file():
        raise InputError(
            f"annotations {path}: no such file; expected instances_SPLIT.json of COCO's archive, for a split "
            "such as val2017"
        )
    quiet = contextlib.redirect_stdout(io.StringIO())  # pycocotools tells how long reading took
    with parsed(path, "annotations", "not annotations of COCO; unpack the archive again"), quiet:
        return Index(path)


def _voc_classes(index: Any, path: Path) -> dict[int, int]:  # noqa: ANN401 - pycocotools has no types
    """Return VOC's class of each category that VOC has, by COCO's number."""
    numbers = {name: number for number, name in enumerate(VOC_CLASSES.names)}
    found = {
        number: numbers[name]
        for number, category in index.cats.items()
        if (name := _OTHER_NAMES.get(category["name"], category["name"])) in numbers
    }
    if not found:
        raise InputError(f"annotations {path}: none of the categories is a class of VOC; expected those of COCO")
    return found
