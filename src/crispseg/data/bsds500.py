"""The Berkeley Segmentation Data Set (Arbeláez et al. 2011): natural images cut into regions by several people."""

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from crispseg.checks import check_choice
from crispseg.data.files import IMAGE_SUFFIXES
from crispseg.data.image import read_image
from crispseg.data.matching import find_files, match_files
from crispseg.data.matlab import opened_matlab
from crispseg.data.pairs import pair
from crispseg.data.sample import IGNORE_INDEX, Sample

TRUTH_SUFFIXES = (".mat",)


class BSDS500:
    """Images and their regions; each annotator's regions are one label map.

    Region numbers start at 1 and tell regions of one image apart; they are not classes. Needs SciPy (extra `data`)
    to read the MATLAB files.

    Args:
        root: Folder with `images/SPLIT/*.jpg` and `groundTruth/SPLIT/*.mat`, as in the released archive.
        split: "train", "val" or "test".

    Raises:
        InputError: If a folder is missing or empty, or an image has no regions.
    """

    def __init__(self, root: Path, split: str = "train") -> None:
        self.images, self.regions = _find(root, split)

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int, choice: int = 0) -> Sample:
        """Read one image with the regions of one annotator."""
        path, regions_path = self.images[index], self.regions[index]
        annotators = _read_annotators(regions_path, "Segmentation")
        regions = annotators[choice % len(annotators)].long()
        return pair(read_image(path), regions, image_path=path, label_path=regions_path)


class BSDS500Boundaries:
    """Images and the boundaries that their annotators agree on: label 1 on a boundary, 0 elsewhere.

    Annotators disagree on what is worth a boundary. A pixel is on a boundary where more than half of them marked it:
    3 of 5, as HED was trained (Xie & Tu 2015, sec. 4). Needs SciPy (extra `data`).

    Args:
        root: Folder with `images/SPLIT/*.jpg` and `groundTruth/SPLIT/*.mat`, as in the released archive.
        split: "train", "val" or "test".
        disputed: What becomes of pixels that some marked, but not more than half: "ignored" makes them void, "negative"
            gives them label 0, as HED's released training does.

    Raises:
        InputError: If a folder is missing or empty, an image has no boundaries, or `disputed` is neither.
    """

    names = ("elsewhere", "boundary")
    num_classes = len(names)

    def __init__(
        self, root: Path, split: str = "train", *, disputed: Literal["ignored", "negative"] = "ignored"
    ) -> None:
        check_choice("disputed", disputed, ("ignored", "negative"))
        self.images, self.boundaries = _find(root, split)
        self.disputed = disputed

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int, choice: int = 0) -> Sample:
        """Read one image with the consensus of its annotators; there is only one, whatever the `choice`."""
        del choice
        path, boundaries_path = self.images[index], self.boundaries[index]
        labels = consensus(read_boundaries(boundaries_path))
        if self.disputed == "negative":
            labels[labels == IGNORE_INDEX] = 0
        return pair(read_image(path), labels, image_path=path, label_path=boundaries_path)


def consensus(boundaries: Tensor) -> Tensor:
    """What annotators agree on: 1 where more than half marked a pixel, 0 where nobody did, void between.

    Args:
        boundaries: (annotators, H, W) bool.

    Returns:
        (H, W) int64.

    Example:
        >>> consensus(torch.tensor([[[1, 1, 0, 0]], [[1, 1, 1, 0]], [[1, 0, 0, 0]]]).bool())
        tensor([[ 1,  1, -1,  0]])
    """
    votes = boundaries.sum(0)
    labels = torch.full_like(votes, IGNORE_INDEX)
    labels[votes == 0] = 0
    labels[2 * votes > len(boundaries)] = 1
    return labels


def read_boundaries(path: Path) -> Tensor:
    """Read the boundaries of every annotator from a ground truth file.

    Returns:
        (annotators, H, W) bool.

    Raises:
        InputError: If the file is damaged or no such ground truth.
    """
    return torch.stack([marked > 0 for marked in _read_annotators(path, "Boundaries")])


def _find(root: Path, split: str) -> tuple[list[Path], list[Path]]:
    images = find_files(Path(root) / "images" / split, IMAGE_SUFFIXES, "image")
    return list(images.values()), match_files(
        images, Path(root) / "groundTruth" / split, TRUTH_SUFFIXES, "ground truth"
    )


def _read_annotators(path: Path, field: Literal["Segmentation", "Boundaries"]) -> list[Tensor]:
    with opened_matlab(path, "BSDS500 ground truth") as content:
        maps = [np.asarray(cell[field][0, 0]) for cell in content["groundTruth"][0]]
        return [torch.from_numpy(values.astype(np.int32)) for values in maps]
