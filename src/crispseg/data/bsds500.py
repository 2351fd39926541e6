"""The Berkeley Segmentation Data Set (Arbeláez et al. 2011): natural images cut into regions by several people."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from crispseg.data.files import IMAGE_SUFFIXES
from crispseg.data.labelled_files import LabelledFiles
from crispseg.data.matching import find_files, match_files
from crispseg.data.matlab import opened_matlab
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError
from crispseg.value_checks import check_choice

TRUTH_SUFFIXES = (".mat",)

_FOR_BOUNDARIES = "use BSDS500Boundaries (bsds500-boundaries) for boundaries"
_FOR_REGIONS = "use BSDS500 (bsds500) for regions"
_OTHER_FIELD = {"Segmentation": _FOR_BOUNDARIES, "Boundaries": _FOR_REGIONS}
"""The data set that reads the other field of a ground truth file, by field."""


class BSDS500(LabelledFiles):
    """Images and their regions; each annotator's regions are one label map.

    Region numbers start at 1 and tell regions of one image apart; they are not classes. Needs SciPy (extra `data`)
    to read the MATLAB files.

    Args:
        root: Folder with `images/SPLIT/*.jpg` and `groundTruth/SPLIT/*.mat`, as in the released archive.
        split: "train", "val" or "test".

    Raises:
        InputError: If a folder is missing or empty, or an image has no regions.
    """

    has_classes = False
    other_labels = _FOR_BOUNDARIES

    def __init__(self, root: Path, split: str = "train") -> None:
        self.image_names, self.images, self.labels = _find(root, split)

    def read_labels(self, index: int) -> Tensor:
        """Return the regions that the first annotator drew, (H, W) int64."""
        return self.read_annotation(index, 0)

    def read_annotation(self, index: int, annotator: int) -> Tensor:
        """Return the regions that one annotator drew, counted modulo their number, (H, W) int64."""
        annotators = _read_annotators(self.labels[index], "Segmentation")
        return annotators[annotator % len(annotators)].long()


class BSDS500Boundaries(LabelledFiles):
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

    class_names = ("elsewhere", "boundary")
    num_classes = len(class_names)
    has_regions = False
    other_labels = _FOR_REGIONS

    def __init__(
        self, root: Path, split: str = "train", *, disputed: Literal["ignored", "negative"] = "ignored"
    ) -> None:
        check_choice("disputed", disputed, ("ignored", "negative"))
        self.image_names, self.images, self.labels = _find(root, split)
        self.disputed = disputed

    @property
    def description(self) -> Mapping[str, Any]:
        """Values that distinguish this data set from another one over the same files."""
        return {**super().description, "disputed": self.disputed}

    def read_labels(self, index: int) -> Tensor:
        """Return the consensus of the annotators of one image, (H, W) int64."""
        labels = consensus(read_boundaries(self.labels[index]))
        if self.disputed == "negative":
            labels[labels == IGNORE_INDEX] = 0
        return labels


def consensus(boundaries: Tensor) -> Tensor:
    """Return the consensus of annotators: 1 where more than half marked a pixel, 0 where none did, void otherwise.

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


def read_boundaries(path: Path | str) -> Tensor:
    """Read the boundaries of every annotator from a ground truth file.

    Returns:
        (annotators, H, W) bool.

    Raises:
        InputError: If the file is damaged, is not such ground truth, or has no boundaries.
    """
    return torch.stack([marked > 0 for marked in _read_annotators(Path(path), "Boundaries")])


def _find(root: Path, split: str) -> tuple[list[str], list[Path], list[Path]]:
    images = find_files(Path(root) / "images" / split, IMAGE_SUFFIXES, "image")
    truth = match_files(images, Path(root) / "groundTruth" / split, TRUTH_SUFFIXES, "ground truth")
    return list(images), list(images.values()), truth


def _read_annotators(path: Path, field: Literal["Segmentation", "Boundaries"]) -> list[Tensor]:
    with opened_matlab(path, "BSDS500 ground truth") as content:
        cells = content["groundTruth"][0]
        for cell in cells:
            if field not in cell.dtype.names:
                raise InputError(
                    f"BSDS500 ground truth {path}: has {' and '.join(cell.dtype.names)} but no {field}; "
                    f"{_OTHER_FIELD[field]}, or unpack the archive again"
                )
        return [torch.from_numpy(np.asarray(cell[field][0, 0]).astype(np.int32)) for cell in cells]
