"""The Berkeley Segmentation Data Set (Arbeláez et al. 2011): natural images cut into regions by several people."""

from pathlib import Path

import numpy as np
import torch

from crispseg.data.files import IMAGE_SUFFIXES, list_files, match_files
from crispseg.data.image import read_image
from crispseg.data.sample import IGNORE_INDEX, Sample
from crispseg.errors import InputError


class BSDS500:
    """Images and their regions; each annotator's regions are one label map.

    Region numbers start at 1 and tell regions of one image apart; they are not classes. Needs SciPy (extra `train`)
    to read the MATLAB files.

    Args:
        root: Folder with `images/SPLIT/*.jpg` and `groundTruth/SPLIT/*.mat`, as in the released archive.
        split: "train", "val" or "test".

    Raises:
        InputError: If a folder is missing or empty, or an image has no regions.
    """

    def __init__(self, root: Path, split: str = "train") -> None:
        self.images = list_files(Path(root) / "images" / split, IMAGE_SUFFIXES, "image")
        self.regions = match_files(self.images, Path(root) / "groundTruth" / split, (".mat",), "regions")

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int, choice: int = 0) -> Sample:
        """Read one image with the regions of one annotator."""
        image = read_image(self.images[index])
        annotators = _read_annotators(self.regions[index])
        regions = torch.from_numpy(annotators[choice % len(annotators)].astype(np.int64))
        if regions.shape != image.shape[-2:]:
            raise InputError(f"regions {self.regions[index]}: not of the size of the image {self.images[index]}")
        # Some images have more regions than there are numbers below the ignored one.
        return Sample(image, regions + (regions >= IGNORE_INDEX), self.images[index].stem)


def _read_annotators(path: Path) -> list[np.ndarray]:
    # SciPy belongs to the extra `train`; only this function needs it.
    from scipy.io import loadmat  # noqa: PLC0415

    try:
        cells = loadmat(path)["groundTruth"][0]
        return [cell["Segmentation"][0, 0] for cell in cells]
    except Exception as error:  # SciPy raises whatever its parsers raise: a dozen kinds
        raise InputError(f"regions {path}: not a BSDS500 ground truth ({error})") from error
