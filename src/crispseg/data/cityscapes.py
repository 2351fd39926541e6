"""Cityscapes (Cordts et al. 2016): street scenes from 50 cities, finely labelled."""

from pathlib import Path

from torch import Tensor

from crispseg.data.classes import CITYSCAPES_CLASSES
from crispseg.data.files import list_files
from crispseg.data.labelled_files import LabelledFiles
from crispseg.data.numbering import Numbering
from crispseg.data.sample import IGNORE_INDEX
from crispseg.data.truth import TrueLabels
from crispseg.errors import InputError
from crispseg.value_checks import check_choice

_IMAGE, _LABELS = "_leftImg8bit.png", "_gtFine_labelIds.png"
_IDS = 34
"""Of the released label maps, among them 15 that are neither trained nor evaluated."""
_TRAINED = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
"""Released id of class 0, of class 1, … (https://github.com/mcordts/cityscapesScripts)."""
_LICENSE_PLATE = 255
"""Its id is -1, which eight bits hold so."""
_NUMBERING = Numbering(
    "Cityscapes' ids",
    table={**dict.fromkeys(range(_IDS), IGNORE_INDEX), **{id_: class_ for class_, id_ in enumerate(_TRAINED)}},
)


class Cityscapes(LabelledFiles):
    """The finely labelled images, in the 19 classes that are trained and evaluated; everything else is void.

    The image `aachen/aachen_000000_000019_leftImg8bit.png` has the name "aachen/aachen_000000_000019".

    Args:
        root: Folder with `leftImg8bit/SPLIT/CITY/*_leftImg8bit.png` and `gtFine/SPLIT/CITY/*_gtFine_labelIds.png`, the
            released archives unpacked.
        split: "train" or "val"; the labels of "test" are not released.

    Raises:
        InputError: If there is no such split, a folder is missing or empty, or an image has no label map.
    """

    class_names = CITYSCAPES_CLASSES.names
    palette = CITYSCAPES_CLASSES.palette
    num_classes = len(CITYSCAPES_CLASSES)
    numbering = _NUMBERING

    def __init__(self, root: Path, split: str = "train") -> None:
        check_choice("split", split, ("train", "val"))
        images, labels = Path(root) / "leftImg8bit" / split, Path(root) / "gtFine" / split
        self.images = [path for city in _cities(images) for path in _images_of(city)]
        self.image_names = [f"{path.parent.name}/{path.name.removesuffix(_IMAGE)}" for path in self.images]
        self.labels = [labels / f"{name}{_LABELS}" for name in self.image_names]
        missing = [path for path in self.labels if not path.is_file()]
        if missing:
            raise InputError(
                f"label folder {labels}: no label map for {len(missing)} of {len(self.images)} images; "
                f"expected {missing[0]}"
            )
        self.truth = TrueLabels(_LICENSE_PLATE, _NUMBERING, self.num_classes)

    def read_labels(self, index: int) -> Tensor:
        """Return the classes of one image, (H, W) int64."""
        return self.truth.read(self.labels[index])


def _cities(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise InputError(f"image folder {folder}: no such folder")
    cities = sorted(path for path in folder.iterdir() if path.is_dir())
    if not cities:
        raise InputError(f"image folder {folder}: no city in it; expected a folder for each")
    return cities


def _images_of(city: Path) -> list[Path]:
    images = [path for path in list_files(city, (".png",), "image") if path.name.endswith(_IMAGE)]
    if not images:
        raise InputError(f"image folder {city}: no file ends in {_IMAGE}")
    return images
