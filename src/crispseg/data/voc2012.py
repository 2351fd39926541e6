"""PASCAL VOC 2012 (Everingham et al. 2012), and what the Semantic Boundaries Dataset (Hariharan et al. 2011) adds."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crispseg.data.classes import VOC_CLASSES
from crispseg.data.files import read_names
from crispseg.data.labelled_files import LabelledFiles
from crispseg.data.labels import read_labels
from crispseg.data.matching import match_files
from crispseg.data.matlab import opened_matlab
from crispseg.data.truth import TrueLabels
from crispseg.errors import InputError
from crispseg.value_checks import check_choice

_VOID = 255
_SPLITS = ("train", "val", "trainval")
_AUGMENTED = {"train_aug": "train", "trainval_aug": "trainval"}


class VOC2012(LabelledFiles):
    """Photographs with objects of 20 classes.

    The augmented splits add the images of the Semantic Boundaries Dataset that are in neither split of VOC: 10582 for
    "train_aug", as DeepLab is trained, and 12031 for "trainval_aug". Where both label an image, VOC's labels are taken,
    whose outlines are void; SBD's have none.

    Args:
        root: Folder with `JPEGImages`, `SegmentationClass` and `ImageSets`: `VOCdevkit/VOC2012` of the archive.
        split: "train", "val", "trainval", "train_aug" or "trainval_aug".
        sbd: Folder with `img`, `cls`, `train.txt` and `val.txt`, `benchmark_RELEASE/dataset` of SBD's archive; for the
            augmented splits, which need SciPy (extra `data`) too.

    Raises:
        InputError: If there is no such split, or a folder, list, image or label map is missing.
    """

    class_names = VOC_CLASSES.names
    palette = VOC_CLASSES.palette
    num_classes = len(VOC_CLASSES)

    def __init__(self, root: Path, split: str = "train", *, sbd: Path | None = None) -> None:
        check_choice("split", split, (*_SPLITS, *_AUGMENTED))
        root, ours = Path(root), _AUGMENTED.get(split, split)
        self.image_names = read_names(_list_of(root, ours))
        self.images, self.labels = _matched(self.image_names, root / "JPEGImages", root / "SegmentationClass", ".png")
        if split in _AUGMENTED:
            if sbd is None:
                raise InputError(f"split {split!r} needs the Semantic Boundaries Dataset; give its folder as sbd")
            sbd = Path(sbd)
            known = set(read_names(_list_of(root, "trainval")))
            added = sorted({name for part in ("train", "val") for name in read_names(sbd / f"{part}.txt")} - known)
            images, labels = _matched(added, sbd / "img", sbd / "cls", ".mat")
            self.image_names, self.images = self.image_names + added, self.images + images
            self.labels = self.labels + labels

    def read_labels(self, index: int) -> Tensor:
        """Return the classes of one image, (H, W) int64."""
        path = self.labels[index]
        stored = _read_sbd(path) if path.suffix == ".mat" else read_labels(path).labels
        return TrueLabels(_VOID, num_classes=self.num_classes).decode(stored, path)


def _list_of(root: Path, split: str) -> Path:
    return root / "ImageSets" / "Segmentation" / f"{split}.txt"


def _matched(names: list[str], images: Path, labels: Path, ending: str) -> tuple[list[Path], list[Path]]:
    """Return the files of the images with these names, and of their label maps, which have an ending of their own."""
    wanted = {name: Path(f"{name}.jpg") for name in names}
    return match_files(wanted, images, (".jpg",), "image"), match_files(wanted, labels, (ending,), "label")


def _read_sbd(path: Path) -> Tensor:
    with opened_matlab(path, "SBD label map") as content:
        return torch.from_numpy(np.asarray(content["GTcls"][0]["Segmentation"][0]).astype(np.int64))
